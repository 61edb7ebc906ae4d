import { z } from 'zod';

/** A route as it stands in the OpenAPI document. */
export type RouteDescription = {
  method: string;
  url: string;
  schema: {
    summary?: string;
    params?: unknown;
    querystring?: unknown;
    body?: unknown;
    response?: unknown;
    consumes?: string;
    hide?: boolean;
  };
};

const jsonSchema = (schema: unknown, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema as z.ZodType, { io, unrepresentable: 'any' });
  return rest;
};

const isSchema = (value: unknown): value is z.ZodType => value instanceof z.ZodType;

const parameters = (schema: unknown, place: 'path' | 'query'): object[] => {
  if (!isSchema(schema)) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, type]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: type,
  }));
};

const responses = (response: unknown): Record<string, object> => {
  const listed = Object.entries((response ?? {}) as Record<string, unknown>);
  const entries = listed.map(([status, schema]) => [
    status,
    {
      description: isSchema(schema) ? (schema.description ?? 'OK') : 'OK',
      ...(isSchema(schema) ? { content: { 'application/json': { schema: jsonSchema(schema, 'output') } } } : {}),
    },
  ]);
  const problems = { description: 'Error', content: { 'application/problem+json': { schema: { type: 'object' } } } };
  return {
    ...Object.fromEntries(entries),
    ...(listed.length === 0 ? { 200: { description: 'OK' } } : {}),
    default: problems,
  };
};

const operation = ({ schema }: RouteDescription): object => {
  const type = schema.consumes ?? 'application/json';
  const body = isSchema(schema.body)
    ? { content: { [type]: { schema: jsonSchema(schema.body, 'input') } } }
    : undefined;
  return {
    ...(schema.summary === undefined ? {} : { summary: schema.summary }),
    parameters: [...parameters(schema.params, 'path'), ...parameters(schema.querystring, 'query')],
    ...(body === undefined ? {} : { requestBody: body }),
    responses: responses(schema.response),
  };
};

/** The OpenAPI 3.1 document of the routes of a server. */
export const openApi = (title: string, version: string, routes: readonly RouteDescription[]): object => {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    if (route.schema.hide === true) continue;
    const path = route.url.replace(/:([A-Za-z_]\w*)/g, '{$1}').replace(/\*$/, '{path}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return { openapi: '3.1.0', info: { title, version }, paths };
};
