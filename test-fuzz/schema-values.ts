/** Makes values of a schema, as JSON text: what the other end would say. */
import fc from 'fast-check';

/** A schema that tells its JSON Schema, as those of the contracts do. */
export type ToldSchema = { toJSONSchema: (options: { unrepresentable: 'any'; io: 'input' }) => object };

type Schema = {
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  additionalProperties?: Schema | boolean;
};

const mostItems = 4;
const mostCharacters = 80;

const textOf = ({ pattern, format, minLength = 0, maxLength = mostCharacters }: Schema): fc.Arbitrary<string> => {
  if (format === 'date-time') return fc.constant('2026-01-02T03:04:05.678Z');
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return fc.string({ minLength, maxLength: Math.min(maxLength, Math.max(minLength, mostCharacters)) });
};

const objectOf = ({ properties = {}, required = [], additionalProperties }: Schema): fc.Arbitrary<unknown> => {
  if (typeof additionalProperties === 'object') return fc.dictionary(fc.string(), valuesFitting(additionalProperties));
  const model = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, valuesFitting(property)]),
  );
  return fc.record(model, { requiredKeys: required });
};

const valuesFitting = (schema: Schema): fc.Arbitrary<unknown> => {
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map(valuesFitting));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => valuesFitting({ ...schema, type })));
  switch (schema.type) {
    case 'object':
      return objectOf(schema);
    case 'array': {
      const { items = {}, minItems = 0, maxItems = mostItems } = schema;
      return fc.array(valuesFitting(items), {
        minLength: minItems,
        maxLength: Math.min(maxItems, minItems + mostItems),
      });
    }
    case 'string':
      return textOf(schema);
    case 'integer':
      return fc.maxSafeInteger().map((number) => {
        const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema;
        return Math.min(maximum, Math.max(minimum, number));
      });
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
};

/** The UTF-8 bytes of a value's JSON text. */
export const jsonBytes = (value: unknown): Uint8Array => Uint8Array.from(Buffer.from(JSON.stringify(value) ?? ''));

/** Values that fit a schema. */
export const valuesOf = (schema: ToldSchema): fc.Arbitrary<unknown> =>
  valuesFitting(schema.toJSONSchema({ unrepresentable: 'any', io: 'input' }) as Schema);

/** The UTF-8 bytes of JSON texts that fit a schema. */
export const jsonOf = (schema: ToldSchema): fc.Arbitrary<Uint8Array> => valuesOf(schema).map(jsonBytes);
