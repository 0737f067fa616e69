-- Every message changes the row of its session and nothing there that an index holds. With room on the page the new row
-- lies beside the old one, and the indexes are left alone.
alter table sessions set (fillfactor = 90);
