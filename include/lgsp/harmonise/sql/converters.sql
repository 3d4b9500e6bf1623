-- The treatments that a source description may name for a field. Each has two macros: `read_<treatment>(x)` gives the value or NULL,
-- `repair_<treatment>(x)` names the repair of a value that is not in the usual form. The latter is NULL for a usual or empty value, and
-- 'unreadable_time' or 'unreadable_value' for a value that the treatment cannot read.

-- Official codes, without surrounding invisible characters; fillers such as #N/A are NULL.
create macro read_code(x) as case when is_filler(stripped(x)) then null else stripped(x) end;
create macro repair_code(x) as case
    when x is null or trim(x) = '' then null when is_filler(stripped(x)) then 'filler' when stripped(x) <> trim(x, ' ') then 'invisible' end;

-- A fixed phrase of a product, to look up in a code list, in either Unicode form.
create macro read_phrase(x) as nullif(lower(trim(x)), '');
create macro repair_phrase(x) as null::varchar;

-- The usual time format of each product is parsed in SQL. lgsp.vietnam.times_and_numbers reads any other unambiguous format, which
-- counts as a repair; values that programs write for "no date" are NULL.
create macro from_local_time(t) as t at time zone 'Asia/Ho_Chi_Minh';
create macro from_epoch_us(us) as make_timestamp(us) at time zone 'UTC';

create macro is_utc(x) as length(x) = 28 and x > '1971' and x < '2999' and x[24:28] = '+0000' and try_cast(x as timestamptz) is not null;
create macro read_time_utc(x) as case when x is null or x = '' then null when is_utc(x) then try_cast(x as timestamptz) else from_epoch_us(instant_us(x)) end;
create macro repair_time_utc(x) as case when x is null or x = '' or is_utc(x) then null else instant_oddity(x) end;

create macro parse_compact(x) as try_strptime(x, '%Y%m%d%H%M%S');
create macro is_compact_time(x) as length(x) = 14 and x > '1971' and x < '2999' and parse_compact(x) is not null;
create macro read_time_compact(x) as case when x is null or x = '' then null when is_compact_time(x) then from_local_time(parse_compact(x)) else from_epoch_us(instant_us(x)) end;
create macro repair_time_compact(x) as case when x is null or x = '' or is_compact_time(x) then null else instant_oddity(x) end;

-- dd/MM/yyyy HH:mm:ss, yyyy/MM/dd HH:mm:ss, and both without a time
create macro parse_local(x) as case when length(x) in (10, 19)
    then try_strptime(x, ['%d/%m/%Y %H:%M:%S', '%Y/%m/%d %H:%M:%S', '%d/%m/%Y', '%Y/%m/%d']) end;
create macro is_local_time(x) as year(parse_local(x)) between 1971 and 2999;
create macro read_time_local(x) as case when x is null or x = '' then null when is_local_time(x) then from_local_time(parse_local(x)) else from_epoch_us(instant_us(x)) end;
create macro repair_time_local(x) as case when x is null or x = '' or is_local_time(x) then null else nullif(instant_oddity(x), 'format') end;
create macro read_day(x) as local_day(read_time_local(x));
create macro repair_day(x) as repair_time_local(x);

create macro read_flag(x) as to_boolean(x);
create macro repair_flag(x) as case when x is null or x in ('0', '1', 'true', 'false', '') then null when to_boolean(x) is null and not is_filler(x) then 'unreadable_value'
    when is_filler(x) then 'filler' else 'word' end;

-- Vietnamese numbers: a point separates thousands, a comma separates decimals; a unit may follow. What a separator means is decided by the
-- text and by the field: an amount of money is in whole đồng, a count is whole but small, a number may have decimals.
-- The fields come as JSON: a number of JSON has a point before its decimals, a text is written by people.
create macro is_digits(x) as regexp_full_match(x, '\d{1,15}');
create macro bare(x) as trim(x::varchar, '"');
create macro is_no_number(x) as x is null or x::varchar = 'null' or is_filler(trim(bare(x)));
create macro other_amount(x) as case when typeof(x) = 'JSON' then json_whole_amount(x::varchar) else whole_amount(x::varchar) end;
create macro other_count(x) as try_cast(case when typeof(x) = 'JSON' then json_whole_number(x::varchar) else whole_number(x::varchar) end as integer);
create macro other_decimal(x) as case when typeof(x) = 'JSON' then json_decimal(x::varchar) else decimal_number(x::varchar) end;
create macro read_money(x) as case when x is null then null when is_digits(bare(x)) then try_cast(bare(x) as bigint) else other_amount(x) end;
create macro repair_money(x) as case when x is null or is_digits(bare(x)) or is_no_number(x) then null when other_amount(x) is null then 'unreadable_value' else 'format' end;
create macro read_count(x) as case when x is null then null when is_digits(bare(x)) then try_cast(bare(x) as integer) else other_count(x) end;
create macro repair_count(x) as case when x is null or (is_digits(bare(x)) and try_cast(bare(x) as integer) is not null) or is_no_number(x) then null
    when is_digits(bare(x)) or other_count(x) is null then 'unreadable_value' else 'format' end;
create macro read_number(x) as case when x is null then null when is_digits(bare(x)) then try_cast(bare(x) as double) else other_decimal(x) end;
create macro repair_number(x) as case when x is null or is_digits(bare(x)) or is_no_number(x) then null when other_decimal(x) is null then 'unreadable_value'
    when typeof(x) <> 'JSON' or starts_with(x::varchar, '"') then 'format' end;

-- 12 digits (CCCD), 9 (CMND), 10 or 13 (tax code), or a passport number. Numbers damaged by a spreadsheet (11 digits, 4.9E+10) are NULL.
create macro read_identity(x) as case when regexp_full_match(stripped(x), '[A-Z]{0,2}(\d{6,10}|\d{12,13})') and not is_identity_dummy(stripped(x)) then stripped(x) end;
create macro repair_identity(x) as case when x is null or is_filler(stripped(x)) then null when is_identity_dummy(stripped(x)) then 'dummy' when read_identity(x) is null then 'damaged' end;

-- A phone number as it is dialled today, in E.164; numbers from before the changes of 2017 and 2018 are converted.
create macro read_phone(x) as case when x is null or x = '' then null when regexp_full_match(x, '\+84(3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}') then x
    when regexp_full_match(x, '0(3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}') then '+84' || x[2:] else phone_number(x) end;
create macro repair_phone(x) as case when x is null or x = '' or is_filler(x) or regexp_full_match(x, '(\+84|0)(3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}') then null
    when phone_number(x) is null then 'unreadable_phone' else 'phone_format' end;

create macro read_text(x) as nullif(x, '');
create macro repair_text(x) as null::varchar;
create macro read_json(x) as x;
create macro repair_json(x) as null::varchar;
