import type { FastifySchemaCompiler, FastifyTypeProvider } from 'fastify';
import type { z } from 'zod';
import type { ErrorCode } from './error-codes.ts';
import { WeirError } from './errors.ts';

/** Gives handlers the types of their zod schemas: output for what comes in, input for what goes out. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
  readonly serializer: this['schema'] extends z.ZodType ? z.input<this['schema']> : unknown;
}

const codeOfPart: Readonly<Record<string, ErrorCode>> = {
  body: 'invalid_body',
  querystring: 'invalid_query',
  params: 'invalid_path',
  headers: 'invalid_request',
};

const describe = (part: string, error: z.ZodError): string => {
  const issue = error.issues[0];
  const where = issue === undefined ? '' : issue.path.map(String).join('.');
  const what = issue?.message.replace(/^Invalid input: /, '') ?? 'is not valid';
  return `${part}${where === '' ? '' : `.${where}`}: ${what}`;
};

/** Checks a part of a request with its zod schema; a refusal is a WeirError with status 400 that names the field. */
export const zodValidator: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = 'body' }) => {
  return (data: unknown) => {
    // The framework gives null for a body that was not sent.
    const parsed = schema.safeParse(data ?? undefined);
    if (parsed.success) return { value: parsed.data };
    const code = httpPart === 'params' && 'stream' in Object(data) ? 'invalid_stream_name' : codeOfPart[httpPart];
    return {
      error: new WeirError(code ?? 'invalid_request', describe(httpPart, parsed.error), { cause: parsed.error }),
    };
  };
};
