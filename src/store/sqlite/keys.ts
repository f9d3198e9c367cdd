/** 16 bytes instead of 36 characters in the row and again in the index. */
export function keyBytes(key: string): Buffer {
  return Buffer.from(key.replaceAll('-', ''), 'hex');
}

export function keyText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
