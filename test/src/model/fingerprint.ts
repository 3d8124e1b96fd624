/*
 * The private state of an actor between two calls of the shipped code, as text. The hooks turn the private names of the
 * compiled classes into ordinary ones, so that all of it can be walked through; what is added to a class is covered
 * without a word here. Left out is what never decides anything: numbers for statistics, and the memory itself.
 */
const UNIMPORTANT: ReadonlySet<string> = new Set(['highWaterBytes', 'statistics', 'private_consumer_tidiedMs']);
/** Arrays of numbers that are private, unlike the memory itself; and the part of each that still means something. */
const PARTS: Readonly<Record<string, (of: Record<string, number>) => [begin?: number, end?: number]>> = {
  private_late_cells_positions: (late) => [late.private_late_cells_begin, late.private_late_cells_end],
  private_late_cells_seen: (late) => [late.private_late_cells_begin, late.private_late_cells_end],
  private_work_writer_claims: ({ claimedMessages }) => [0, claimedMessages],
};
const opaque = new WeakSet<object>();

/** An object that stands for shared memory and has no state of its own. */
export function withoutState<Value extends object>(object: Value): Value {
  opaque.add(object);
  return object;
}

export function fingerprint(root: object): string {
  const seen = new Map<object, number>();
  let text = '';
  const walk = (value: unknown): void => {
    if (typeof value === 'function') text += 'function;';
    else if (typeof value !== 'object' || value === null) text += `${String(value)};`;
    else if (seen.has(value)) text += `@${seen.get(value)};`;
    else if (opaque.has(value) || ArrayBuffer.isView(value)) text += 'memory;';
    else {
      seen.set(value, seen.size);
      if (value instanceof Map || value instanceof Set) for (const each of value) walk(each);
      for (const [name, field] of Object.entries(value)) {
        if (UNIMPORTANT.has(name)) continue;
        text += name;
        text += ':';
        const part = PARTS[name];
        if (part === undefined) walk(field);
        else text += `${(field as Int32Array).slice(...part(value as Record<string, number>))};`;
      }
    }
  };
  walk(root);
  return text;
}
