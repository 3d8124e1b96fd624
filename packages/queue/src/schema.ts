import { MemlaneError } from '@memlane/linux';
import type { StandardSchemaV1 } from '@standard-schema/spec';

/** A schema of zod, valibot, arktype or any other library that implements Standard Schema. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;

/** Returns the value that a schema makes of another. */
export type Validator<Value> = (value: unknown) => Value;

/**
 * The validator of a schema.
 *
 * @throws (the validator) ERR_MEMLANE_INVALID, with what the schema has found; ERR_MEMLANE_ARGUMENT when the schema is
 *   asynchronous: a message is sent or it is not.
 */
export function validatorOf<Value>(schema: Schema<unknown, Value> | undefined): Validator<Value> | undefined {
  if (schema === undefined) return undefined;
  const { validate } = schema['~standard'];
  return (value) => {
    const result = validate(value);
    if (result instanceof Promise)
      throw new MemlaneError('ERR_MEMLANE_ARGUMENT', 'The schema is asynchronous, which messages cannot wait for');
    if (result.issues === undefined) return result.value;
    throw new MemlaneError('ERR_MEMLANE_INVALID', result.issues.map(describe).join('; '));
  };
}

function describe({ message, path = [] }: StandardSchemaV1.Issue): string {
  const where = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return where === '' ? message : `${where}: ${message}`;
}
