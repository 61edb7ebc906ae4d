/** The reference pages under docs/, made from the tables in the code; a test holds file and table equal. */
import { eventSchemas, weirConfig } from '@weir/contracts';
import { type ConfigKey, errorCodes, explainConfig } from '@weir/runtime';
import { z } from 'zod';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text: string): string => (text === '' ? '' : `\`${cell(text)}\``);
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** docs/errors.md: every code of the error table. */
const errorsPage = (): string => {
  const rows = Object.entries(errorCodes).map(([name, { status, fault, what, remedy }]) => [
    code(name),
    String(status),
    fault,
    cell(what),
    cell(remedy),
  ]);
  return `# Errors

Answers that are no success are problem documents (RFC 9457, \`application/problem+json\`) with one of these codes in
\`code\`; a start that fails prints the same in one line. Whose fault it is decides what happens: \`input\` is refused,
\`peer\` is tried again, \`us\` ends the process or answers 500.

${table(['code', 'HTTP', 'fault', 'what it means', 'what to do'], rows)}
`;
};

const defaultOf = (key: ConfigKey): string => {
  if (key.secret) return '';
  return key.default === undefined ? '' : JSON.stringify(key.default);
};

/** docs/configuration.md: every key of weir.toml. */
const configurationPage = (): string => {
  const rows = explainConfig(weirConfig).map((key) => [
    code(key.key),
    code(defaultOf(key)),
    code(key.env ?? ''),
    cell(key.description),
  ]);
  return `# Configuration

One file, \`weir.toml\` in the directory of the start, or \`--config FILE\`. A flag (\`--section.key=value\`) beats the
environment, which beats the file, which beats the default. \`DATABASE_URL\` sets \`database.url\`. An unknown key or a bad
value stops the start with its line. \`weir config-check\` prints what is in force, secrets hidden. Under \`weir up\` the
index lies in \`./data/weir.db\`, the spool in \`./data/spool\`, and recordings go to the directory \`./data/bucket\`.

${table(['key', 'default', 'environment', 'meaning'], rows)}
`;
};

const fieldsOf = (schema: z.ZodType): string => {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as {
    properties?: object;
  };
  return Object.keys(properties).map(code).join(', ');
};

/** docs/events.md: every event on the bus. */
const eventsPage = (): string => {
  const rows = Object.entries(eventSchemas).map(([type, schema]) => [code(type), fieldsOf(schema)]);
  return `# Events

What services say over MQTT: CloudEvents 1.0 in structured JSON, at most 64 KiB. The schemas are in
\`packages/contracts/src/events.ts\`, the topics in \`packages/contracts/src/topics.ts\`. Messages are hints: whatever they
tell can be had from the node or the ledger too, so a lost, repeated or late one does no harm.

${table(['type', 'fields of `data`'], rows)}
`;
};

/** The pages by file name below docs/. */
export const referencePages = (): Record<string, string> => ({
  'errors.md': errorsPage(),
  'configuration.md': configurationPage(),
  'events.md': eventsPage(),
});
