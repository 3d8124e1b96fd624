/** The names of bells, without the sign of life that stands beside each; one whose bell is missing stays in the list. */
export function unpaired(names: readonly string[]): string[] {
  return names.filter((name) => !name.endsWith('.life') || !names.includes(name.slice(0, -'.life'.length)));
}
