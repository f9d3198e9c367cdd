export function describeCause(error: unknown): string {
  return (error as Error).message;
}
