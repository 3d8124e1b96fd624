/** Texts of a compiled module and what they become; each must fit exactly one place, lest a mutant pass for the original. */
export type Edits = readonly { readonly from: string; readonly to: string }[];

/** The source with the fault planted. @throws when a text fits no place or several. */
export function mutate(name: string, source: string, edits: Edits): string {
  return edits.reduce((text, { from, to }) => {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`Mutant '${name}' fits ${parts.length - 1} places instead of one: ${from}`);
    return parts.join(to);
  }, source);
}
