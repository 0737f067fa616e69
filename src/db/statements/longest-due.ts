/** The most that one claim takes. */
export const MOST_CLAIMED = 50

/**
 * What is longest due of a table. The number tells the planner that these are few: of a limit that is a parameter it takes
 * a tenth of all that is due, and when there is much it would read the whole table with each claim.
 */
export const longestDue = (table: string, condition = 'true') =>
  `(select * from ${table} where due_at <= now() and ${condition} order by due_at limit ${MOST_CLAIMED})`
