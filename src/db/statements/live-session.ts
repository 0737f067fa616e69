/**
 * Whether session `s` is live: the one rule by which messages are relayed, claimed and sent. Expiry is judged by the
 * database's clock, whether or not the sweeper came by.
 */
export const IS_LIVE = `s.status in ('open', 'in-progress') and (s.expires_at is null or s.expires_at > now())`
