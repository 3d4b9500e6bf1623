-- Macros that read the values of all sources. Each gives NULL for a value that it cannot read; rules report such values.
-- Constants are variables, and an argument is repeated as little as possible: every use of a macro is planned on its own.

-- A text without surrounding whitespace and invisible characters. The first of these becomes a blank, the others nothing.
set variable invisible = chr(160) || chr(173) || chr(8203) || chr(8204) || chr(8205) || chr(8288) || chr(65279);
create macro stripped(x) as trim(translate(x, getvariable('invisible'), ' '));

-- A code that may be logged and published: it cannot contain a name, a phone number or an identity number of a person.
create macro displayable(x) as case when x is null then null when regexp_full_match(x, '[\w./-]{1,24}') and not regexp_matches(x, '\d{8}') then x else '(not shown)' end;

create macro local_day(t) as (t at time zone 'Asia/Ho_Chi_Minh')::date;
create macro nonempty(x) as nullif(trim(x), '');

set variable truth = map(
    ['1', 'true', 'có', 'x', 'yes', 'y', '0', 'false', 'không', 'no', 'n'],
    [true, true, true, true, true, true, false, false, false, false, false]);
create macro to_boolean(x) as getvariable('truth')[lower(trim(x))];

-- The Vietnamese name (languageId 228) in a field that is a list, an object or a text.
create macro name_vi(x) as case json_type(x)
    when 'ARRAY' then coalesce(
        list_filter(from_json(x, '[{"languageId": "INTEGER", "name": "VARCHAR"}]'), lambda e: e.languageId = 228)[1].name,
        json_extract_string(x, '$[0].name'))
    when 'OBJECT' then json_extract_string(x, '$.name')
    when 'VARCHAR' then json_extract_string(x, '$') end;

-- A dossier code: agency, day and number within the day (Circular 01/2018/TT-VPCP).
create macro is_dossier_code(x) as regexp_full_match(x, '(\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}|[A-Z]\d{2}(\.\d{1,3}){0,3})-\d{6}-\d{4,6}');

-- The national code of a procedure: 2.000815, 2.000815.000.00.00.H47 and 2.000815.H47 are the same procedure.
create macro procedure_base(x) as nullif(regexp_extract(trim(x), '^([123]\.\d{6})(\.|$)', 1), '');

-- The new form of an agency code: 000.25.20.H47 becomes H47.20.25 (Decision 20/2020/QĐ-TTg); the code list agency_code has the exceptions.
create macro organisation_code(x) as coalesce(agency_code(upper(stripped(x))), case
    when regexp_full_match(upper(stripped(x)), '\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}') then
        regexp_replace(array_to_string(list_reverse(string_split(upper(stripped(x)), '.')), '.'), '(\.0+)+$', '')
    when regexp_full_match(upper(stripped(x)), '[A-Z]\d{2}(\.\d{1,3}){0,3}') then upper(stripped(x)) end);

-- Whether a status is a step between receipt and result.
create macro is_at_work(status) as status in ('processing', 'supplement_requested', 'payment_requested', 'suspended');
