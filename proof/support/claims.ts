import type pg from 'pg'

/**
 * Has the database note every claim of an interaction, in the statement that makes it: by its own clock, which is the
 * machine's, and whether a close of the session had committed before.
 */
export async function watchClaims(pool: pg.Pool): Promise<void> {
  await pool.query(`
    create table proof_claims (
      nth bigint generated always as identity, sid text not null, judged_at timestamptz not null,
      claimed_at timestamptz not null, was_closed boolean not null
    );
    create function proof_note_claim() returns trigger language plpgsql as $$
    begin
      insert into proof_claims (sid, judged_at, claimed_at, was_closed)
      select new.sid, now(), clock_timestamp(), exists (
        select from sessions s where s.service_sid = new.service_sid and s.sid = new.session_sid and s.status = 'closed');
      return null;
    end $$;
    create trigger proof_note_claim after update of attempts on interactions for each row
      when (new.attempts > old.attempts) execute function proof_note_claim()`)
}

export type Claim = { session_sid: string; judged_at: number; claimed_at: number; was_closed: boolean }

/** The claims of every interaction, oldest first; times in ms. The nth request to the carrier came of the nth. */
export async function readClaims(pool: pg.Pool): Promise<Map<string, Claim[]>> {
  const { rows } = await pool.query(`
    select c.sid, i.session_sid, c.was_closed, extract(epoch from c.judged_at)::float8 * 1000 as judged_at,
           extract(epoch from c.claimed_at)::float8 * 1000 as claimed_at
    from proof_claims c join interactions i on i.sid = c.sid order by c.nth`)
  const claims = new Map<string, Claim[]>()
  for (const { sid, ...claim } of rows) claims.set(sid, [...(claims.get(sid) ?? []), claim])
  return claims
}

/** Fails unless the database's clock is this machine's: times that one and the other noted are to be compared. */
export async function checkClock(pool: pg.Pool): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const before = Date.now()
    const { rows } = await pool.query('select extract(epoch from clock_timestamp())::float8 * 1000 as now')
    if (rows[0].now >= before - 1 && rows[0].now <= Date.now() + 1) return
    if (attempt === 10) throw new Error("The database's clock is not this machine's, so their times say nothing.")
  }
}
