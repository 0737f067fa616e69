/** The database cannot be had, or is not one we can use. The message is for the operator and says what to do. */
export class DatabaseError extends Error {}

/** The `code` that Node's and PostgreSQL's errors carry. */
export const errorCode = (error: unknown) =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
