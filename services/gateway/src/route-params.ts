import { STREAM_NAME } from '@weir/contracts';
import { z } from 'zod';

const name = z
  .string()
  .regex(STREAM_NAME, 'must be 1 to 128 letters, digits, ".", "_" or "-", the first a letter or digit');

/** The path of a route of one stream; names of the form `<stream>@<alias>` are the gateways' own and refused. */
export const streamParams = z.object({ stream: name });
