// In: the environment. Out: names in it that are mistaken for settings, with the right ones.
import { closest, distance } from 'fastest-levenshtein';
import { isOfAnotherProgram, OTHER_NAMES } from './other-names.ts';
import { SETTINGS } from './settings.ts';

export interface NameCheck {
  /** Names that can only be mistakes. */
  problems: string[];
  /** Names that may be mistakes, or somebody else's. */
  warnings: string[];
}

type Given = Readonly<Record<string, string>>;

const NAMES = Object.keys(SETTINGS.properties);
/** The exporter reads others of these by itself. */
const OF_OPENTELEMETRY = 'OTEL';
const PREFIXES = new Set(
  NAMES.filter((name) => name.includes('_'))
    .map((name) => wordsOf(name)[0]!)
    .filter((prefix) => prefix !== OF_OPENTELEMETRY),
);
const OWN_PREFIX = 'FOOTFALL_';
const SECURITY_PROTOCOL = 'KAFKA_SECURITY_PROTOCOL';
const OF_KAFKA_SECURITY = /^KAFKA_(SSL|SASL|OAUTH)_/;
/** For the commands, not for the service. */
const OF_THE_COMMANDS = ['FOOTFALL_KEY', 'FOOTFALL_URL'];
/** Shorter names belong to many programs: a start must not fail because of them. */
const LONG = 8;
/** Below this, even a similar name says nothing. */
const SHORT = 6;
const MAX_TYPOS = 2;

/** @param given variables that have a value */
export function checkNames(given: Given): NameCheck {
  const problems: string[] = [];
  const unused: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    if (NAMES.includes(name) || OF_THE_COMMANDS.includes(name) || isOfAnotherProgram(name, value)) continue;
    const otherName = settingCalled(name);
    const intended = otherName ?? settingLike(name);
    if (intended === undefined) {
      if (hasOurPrefix(name)) unused.push(withSuggestion(name));
    } else if (isDecided(intended, given)) {
      if (hasOurPrefix(name)) unused.push(name);
    } else if (mayBeForAnother(intended, given) || (otherName === undefined && name.length < LONG)) {
      unused.push(`${name} (did you mean ${intended}?)`);
    } else {
      problems.push(`${name} is not a setting: did you mean ${intended}? ${wayOut(intended)}`);
    }
  }
  const warnings = unused.length === 0 ? [] : [`Not settings, and without effect: ${unused.join(', ')}`];
  return { problems, warnings };
}

/** The setting that others call by this name. */
function settingCalled(name: string): string | undefined {
  return Object.entries(OTHER_NAMES).find(([, others]) => others.includes(name))?.[0];
}

/** The setting that a name is a misspelling of. */
function settingLike(name: string): string | undefined {
  const upper = name.toUpperCase().replaceAll(/[-.]/g, '_');
  const candidates = [upper, upper.replace(OWN_PREFIX, ''), `${upper}_FILE`];
  const withoutFile = upper.replace(/_FILE$/, '');
  // LOG_FILE, for one, is for many programs.
  if (withoutFile.length >= LONG) candidates.push(withoutFile);
  const exact = candidates.find((candidate) => NAMES.includes(candidate));
  if (exact !== undefined || name.length < SHORT) return exact;
  return NAMES.find((known) => isSpelledLike(upper, known) || isMistyped(upper, known));
}

/** Without regard to underscores, the order of the words, and whether they are plurals. */
function isSpelledLike(name: string, known: string): boolean {
  const letters = (text: string) => singular(text.replaceAll('_', ''));
  const words = (text: string) => wordsOf(text).map(singular).sort().join('_');
  return letters(name) === letters(known) || words(name) === words(known);
}

/** Word by word. */
function isMistyped(name: string, known: string): boolean {
  const [words, right] = [wordsOf(name), wordsOf(known)];
  if (words.length !== right.length || known.length < LONG) return false;
  const typos = words.map((word, at) => typosIn(word, right[at]!));
  const total = typos.reduce((sum, count) => sum + count, 0);
  return total <= MAX_TYPOS && typos.every((count, at) => count <= mostTypos(right[at]!));
}

function typosIn(word: string, right: string): number {
  const found = distance(word, right);
  const isSwapped = found === 2 && [...word].sort().join() === [...right].sort().join();
  if (isSwapped) return 1;
  // One other letter makes a different word of a short one, such as IP of ID.
  return right.length <= 3 && found > 0 ? Number.POSITIVE_INFINITY : found;
}

function mostTypos(word: string): number {
  return word.length < 6 ? 1 : MAX_TYPOS;
}

function wordsOf(name: string): string[] {
  return name.split('_').filter((word) => word !== '');
}

function singular(word: string): string {
  return word.replace(/S$/, '');
}

function hasOurPrefix(name: string): boolean {
  return PREFIXES.has(wordsOf(name)[0]!) || name.startsWith(OWN_PREFIX);
}

/** Whether the setting is given in its own right, so that the other name is somebody else's. */
function isDecided(setting: string, given: Given): boolean {
  if (setting.startsWith('KAFKA_') && given.LOG === 'embedded') return true;
  // A secret is given as a text or as a file.
  const alternatives = [setting, `${setting}_FILE`, setting.replace(/_FILE$/, '')];
  return alternatives.some((name) => NAMES.includes(name) && name in given);
}

/** Whether nothing is lost if the other name is somebody else's: the rest says how to connect, or that it is not HTTPS. */
function mayBeForAnother(setting: string, given: Given): boolean {
  return setting.startsWith('HTTPS_') || (OF_KAFKA_SECURITY.test(setting) && SECURITY_PROTOCOL in given);
}

function wayOut(setting: string): string {
  return `If it is for another program, set ${decisionOn(setting)}.`;
}

function decisionOn(setting: string): string {
  if (setting === 'KAFKA_BROKERS') return 'LOG=embedded';
  // Setting a password, too, contradicts a protocol that uses none.
  if (OF_KAFKA_SECURITY.test(setting)) return `${SECURITY_PROTOCOL}, too: PLAINTEXT is its default`;
  return `${setting}, too`;
}

/** Names the setting that has most of the same words. */
function withSuggestion(name: string): string {
  const words = wordsOf(name);
  const common = (known: string) => wordsOf(known).filter((word) => words.includes(word)).length;
  const least = Math.max(2, words.length - 1, ...NAMES.map(common));
  const alike = NAMES.filter((known) => common(known) >= Math.max(least, wordsOf(known).length - 1));
  return alike.length === 0 ? name : `${name} (did you mean ${closest(name, alike)}?)`;
}
