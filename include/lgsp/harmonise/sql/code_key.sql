-- The normal form of a dossier code: capitals, plain hyphens, no blanks or invisible characters, and the new form of the agency code.
-- `ledger.code_key` in PostgreSQL is the same.
create macro code_key(x) as case when x ~ '^[A-Z]\d{2}(\.\d{0,2}[1-9]\d{0,2}){0,3}-\d{6}-\d{4,6}$' then x else regexp_replace(regexp_replace(
    translate(upper(x), chr(8208) || chr(8209) || chr(8210) || chr(8211) || chr(8212) || chr(8213) || chr(8722) || chr(65112) || chr(65123) ||
        chr(65293) || ' ' || chr(160) || chr(173) || chr(8203) || chr(8204) || chr(8205) || chr(8206) || chr(8207) || chr(8288) || chr(65279) ||
        chr(8239) || chr(8201) || chr(12288) || chr(9) || chr(10) || chr(13), '----------'),
    '^(\d{3})\.(\d{2})\.(\d{2})\.([A-Z]\d{2})-', '\4.\3.\2.\1-'), '(\.0+)+-', '-') end;
