export const MAX_ID_LENGTH = 255;

/** Whether a text can be stored, searched and counted unchanged. */
export function isStorable(text: string): boolean {
  return storableErrors('', text).length === 0;
}

/** Rejects texts that a Kafka key or a database column cannot hold unchanged. */
export function storableErrors(name: string, text: string): string[] {
  if (text.length > MAX_ID_LENGTH) return [`${name} must be at most ${MAX_ID_LENGTH} characters long`];
  if (text.includes('\u0000') || !text.isWellFormed()) {
    return [`${name} must not contain NUL characters or unpaired surrogates`];
  }
  return [];
}
