import { throwArgument } from '@memlane/linux';

/*
 * Topics are names with dots, as those of NATS: in a pattern `*` stands for one part, and `>` at the end for one or more.
 */

/** Longest topic, in bytes. */
export const MAX_TOPIC_BYTES = 255;

/** Whether a topic is meant. */
export type TopicMatcher = (topic: string) => boolean;

/** @throws ERR_MEMLANE_ARGUMENT unless it is a topic, to which messages may be published. */
export function checkTopic(topic: string): void {
  const isTopic =
    typeof topic === 'string' &&
    Buffer.byteLength(topic) <= MAX_TOPIC_BYTES &&
    topic.split('.').every((part) => part.length > 0 && part !== '*' && part !== '>');
  if (!isTopic)
    throwArgument('topic', topic, `at most ${MAX_TOPIC_BYTES} bytes: parts that are not empty, with dots between them`);
}

/**
 * Makes the matcher of one or more patterns.
 *
 * @throws ERR_MEMLANE_ARGUMENT
 * @example
 * const isMeant = matcherOf('orders.*.created');
 * isMeant('orders.eu.created'); // true
 */
export function matcherOf(patterns: string | readonly string[]): TopicMatcher {
  const each = (typeof patterns === 'string' ? [patterns] : patterns).map(matcherOfOne);
  if (each.length === 1) return each[0];
  return (topic) => each.some((matches) => matches(topic));
}

function matcherOfOne(pattern: string): TopicMatcher {
  const parts = typeof pattern === 'string' ? pattern.split('.') : [];
  const isPattern =
    parts.length > 0 && parts.every((part, at) => part.length > 0 && (part !== '>' || at === parts.length - 1));
  if (!isPattern)
    throwArgument(
      'pattern',
      pattern,
      "parts with dots between them; '*' stands for one, '>' at the end for all that follow",
    );
  if (pattern === '>') return () => true;
  if (!parts.includes('*') && parts.at(-1) !== '>') return (topic) => topic === pattern;
  const takesMore = parts.at(-1) === '>';
  const fixed = takesMore ? parts.slice(0, -1) : parts;
  return (topic) => {
    const given = topic.split('.');
    if (takesMore ? given.length <= fixed.length : given.length !== fixed.length) return false;
    return fixed.every((part, at) => part === '*' || part === given[at]);
  };
}
