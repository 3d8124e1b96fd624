import { describe, expect, test } from '@jest/globals';
import { type Entry, Event, judge, judgeMany, judgeWork, packKey } from './storm-journal.ts';

const begun: Entry = { event: Event.begun, value: 0 };
const advanced: Entry = { event: Event.advanced, value: 0 };
const ended: Entry = { event: Event.ended, value: 0 };
const handled = (life: number, ...numbers: number[]): Entry[] =>
  numbers.map((number) => ({ event: Event.handled, value: packKey({ life, number }) }));
const committed = (life: number, number: number): Entry => ({
  event: Event.committed,
  value: packKey({ life, number }),
});
const settled = (life: number, number: number): Entry => ({ event: Event.settled, value: packKey({ life, number }) });

describe('the judge of a stream', () => {
  test('accepts repeats of what was not advanced over, and successors of the dead', () => {
    const consumed = [begun, ...handled(0, 0, 1), advanced, ...handled(0, 2, 3), begun, ...handled(0, 2, 3, 4)];
    expect(judge([...consumed, ...handled(3, 0, 1), advanced, ended], [committed(0, 3), committed(3, 1)])).toEqual({
      messages: 7,
      repeats: 2,
      producers: 2,
      consumers: 2,
    });
  });

  test.each([
    ['a gap', [begun, ...handled(0, 0, 2), ended], [], 'message 2 of producer 0 followed message 0'],
    ['a stream that does not begin at its beginning', [begun, ...handled(0, 1), ended], [], 'followed nothing'],
    [
      'a repeat of what was advanced over',
      [begun, ...handled(0, 0, 1), advanced, begun, ...handled(0, 1), ended],
      [],
      'came again',
    ],
    [
      'a repeat in another order',
      [begun, ...handled(0, 0, 1, 2), begun, ...handled(0, 0, 2), ended],
      [],
      'in the place of',
    ],
    ['a gap after a restart', [begun, ...handled(0, 0), begun, ...handled(0, 2), ended], [], 'followed'],
    ['an earlier life after a later one', [begun, ...handled(1, 0), ...handled(0, 0), ended], [], 'followed'],
    [
      'a lost end of a life',
      [begun, ...handled(0, 0), ...handled(1, 0), ended],
      [committed(0, 1)],
      'message 1 of producer 0 was left out',
    ],
    [
      'a lost life',
      [begun, ...handled(0, 0), ...handled(2, 0), ended],
      [committed(0, 0), committed(1, 0)],
      'message 0 of producer 1 was left out',
    ],
    ['a lost last message', [begun, ...handled(0, 0), ended], [committed(0, 1)], 'never handled'],
    ['no end', [begun, ...handled(0, 0)], [], 'no consumer saw the end'],
  ] as const)('finds %s', (_name, consumed, produced, message) => {
    expect(() => judge(consumed, produced)).toThrow(message);
  });
});

describe('the judge of many streams', () => {
  test('accepts lives among each other, and repeats of what was not advanced over', () => {
    const consumed = [begun, ...handled(0, 0, 1), ...handled(1, 0), advanced, ...handled(0, 2, 3), ...handled(1, 1)];
    const successor = [begun, ...handled(1, 1, 2), ...handled(0, 3, 4), advanced, ended];
    expect(judgeMany([...consumed, ...successor], [committed(0, 4), committed(1, 2)])).toEqual({
      messages: 8,
      repeats: 2,
      producers: 2,
      consumers: 2,
    });
  });

  test.each([
    ['a gap', [begun, ...handled(0, 0), ...handled(1, 0), ...handled(0, 2), ended], [], 'came where 1 was due'],
    ['a stream that does not begin at its beginning', [begun, ...handled(0, 1), ended], [], 'from 0 to 0 was due'],
    ['a message twice', [begun, ...handled(0, 0, 0), ended], [], 'came where 1 was due'],
    [
      'a repeat of what was advanced over',
      [begun, ...handled(0, 0, 1), advanced, begun, ...handled(0, 1), ended],
      [],
      'from 2 to 2',
    ],
    ['a gap after a restart', [begun, ...handled(0, 0), begun, ...handled(0, 2), ended], [], 'from 0 to 1'],
    ['a lost last message', [begun, ...handled(0, 0), ended], [committed(0, 1)], 'never handled'],
    ['a lost life', [begun, ...handled(0, 0), ended], [committed(3, 0)], 'never handled'],
    ['no end', [begun, ...handled(0, 0)], [], 'no consumer saw the end'],
  ] as const)('finds %s', (_name, consumed, produced, message) => {
    expect(() => judgeMany(consumed, produced)).toThrow(message);
  });
});

describe('the judge of a work queue', () => {
  test('accepts any order, and repeats of what was not acknowledged', () => {
    const consumed = [
      begun,
      ...handled(1, 1),
      ...handled(0, 0),
      settled(0, 0),
      begun,
      ...handled(1, 0, 1),
      settled(1, 1),
    ];
    expect(judgeWork(consumed, [committed(0, 0), committed(1, 1)])).toEqual({
      messages: 3,
      repeats: 1,
      producers: 2,
      consumers: 2,
    });
  });

  test.each([
    [
      'a message that is missing',
      [begun, ...handled(0, 0)],
      [committed(0, 1)],
      'message 1 of producer 0 was committed',
    ],
    ['one that was acknowledged', [...handled(0, 0), settled(0, 0), ...handled(0, 0)], [], 'came again after'],
  ] as const)('finds %s', (_name, consumed, produced, message) => {
    expect(() => judgeWork(consumed, produced)).toThrow(message);
  });
});
