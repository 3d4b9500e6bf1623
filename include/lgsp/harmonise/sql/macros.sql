-- How the sources write what they mean. Each macro gives NULL for what it cannot read; rules speak of it then.

-- A text without what cannot be seen around it.
create macro bare(x) as case when strlen(x) = length(x) then trim(x)
    else trim(translate(x, chr(160) || chr(173) || chr(8203) || chr(8204) || chr(8205) || chr(8288) || chr(65279), ' ')) end;

-- yyyy/MM/dd HH:mm:ss, local. Years like 0001, 1900 and 9999 are what programs write for "no date".
create macro plausible(t) as case when year(t) between 1901 and 2999 then t end;
create macro time_slash(x) as plausible(try_strptime(nullif(trim(x), ''), '%Y/%m/%d %H:%M:%S')) at time zone 'Asia/Ho_Chi_Minh';

-- A code as it may be shown to people: nothing in it can be a name or a number of a person.
create macro shown(x) as case when x is null then null when regexp_full_match(x, '[\w./-]{1,24}') and not regexp_matches(x, '\d{8}') then x else '(not shown)' end;

create macro local_day(t) as (t at time zone 'Asia/Ho_Chi_Minh')::date;
create macro filled(x) as nullif(trim(x), '');

create macro yes(x) as case
    when lower(trim(x)) in ('1', 'true', 'có', 'x', 'yes', 'y') then true
    when lower(trim(x)) in ('0', 'false', 'không', 'no', 'n') then false end;

-- The name in Vietnamese (languageId 228) of a field that is a list, an object or a plain text.
create macro name_vi(x) as case json_type(x)
    when 'ARRAY' then coalesce(
        list_filter(from_json(x, '[{"languageId": "INTEGER", "name": "VARCHAR"}]'), lambda e: e.languageId = 228)[1].name,
        json_extract_string(x, '$[0].name'))
    when 'OBJECT' then json_extract_string(x, '$.name')
    when 'VARCHAR' then json_extract_string(x, '$') end;

-- Agency, day and number within the day (Circular 01/2018/TT-VPCP).
create macro is_dossier_code(x) as regexp_full_match(x, '(\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}|[A-Z]\d{2}(\.\d{1,3}){0,3})-\d{6}-\d{4,6}');

-- 2.000815, 2.000815.000.00.00.H47 and 2.000815.H47 are one procedure.
create macro procedure_base(x) as nullif(regexp_extract(trim(x), '^([123]\.\d{6})(\.|$)', 1), '');

-- 000.25.20.H47 is H47.20.25 (Decision 20/2020) unless the code list says otherwise; a new-style code stays.
create macro organisation_code(x) as coalesce(agency_code(upper(bare(x))), case
    when regexp_full_match(upper(bare(x)), '\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}') then
        regexp_replace(array_to_string(list_reverse(string_split(upper(bare(x)), '.')), '.'), '(\.0+)+$', '')
    when regexp_full_match(upper(bare(x)), '[A-Z]\d{2}(\.\d{1,3}){0,3}') then upper(bare(x)) end);

-- What is done to a dossier between receipt and result.
create macro is_at_work(status) as status in ('processing', 'supplement_requested', 'payment_requested', 'suspended');
