-- The treatments a source's description may name for a field. For each, two macros: `read_<treatment>(x)` gives the
-- value or NULL, `odd_<treatment>(x)` names what was undone when the text was not written as usual: NULL when it was
-- as usual or empty, 'unreadable_time' or 'unreadable_value' when something is there that the treatment cannot read.

-- Official codes: nothing invisible around them, nothing that only fills the field.
create macro read_code(x) as case when is_filler(bare(x)) then null else bare(x) end;
create macro odd_code(x) as case
    when x is null or trim(x) = '' then null when is_filler(bare(x)) then 'filler' when bare(x) <> trim(x, ' ') then 'invisible' end;

-- A short fixed phrase of a product, to be looked up in a code list, in either Unicode form.
create macro read_phrase(x) as nullif(lower(trim(x)), '');
create macro odd_phrase(x) as null::varchar;

-- Each product's own way to write a time is read at once. Any other that is unambiguous is understood too, by
-- values.py, and told; what programs write for "no date" is none.
create macro local(t) as t at time zone 'Asia/Ho_Chi_Minh';
create macro understood(us) as make_timestamp(us) at time zone 'UTC';

create macro is_utc(x) as length(x) = 28 and x > '1971' and x < '2999' and x[24:28] = '+0000' and try_cast(x as timestamptz) is not null;
create macro read_time_utc(x) as case when x is null or x = '' then null when is_utc(x) then try_cast(x as timestamptz) else understood(instant_us(x)) end;
create macro odd_time_utc(x) as case when x is null or x = '' or is_utc(x) then null else instant_oddity(x) end;

create macro compact(x) as try_strptime(x, '%Y%m%d%H%M%S');
create macro is_compact(x) as length(x) = 14 and x > '1971' and x < '2999' and compact(x) is not null;
create macro read_time_compact(x) as case when x is null or x = '' then null when is_compact(x) then local(compact(x)) else understood(instant_us(x)) end;
create macro odd_time_compact(x) as case when x is null or x = '' or is_compact(x) then null else instant_oddity(x) end;

-- dd/MM/yyyy HH:mm:ss, yyyy/MM/dd HH:mm:ss and their days
create macro spoken(x) as case
    when x[3] = '/' and length(x) = 19 then try_strptime(x, '%d/%m/%Y %H:%M:%S') when x[3] = '/' and length(x) = 10 then try_strptime(x, '%d/%m/%Y')
    when x[5] = '/' and length(x) = 19 then try_strptime(x, '%Y/%m/%d %H:%M:%S') when x[5] = '/' and length(x) = 10 then try_strptime(x, '%Y/%m/%d') end;
create macro is_spoken(x) as year(spoken(x)) between 1971 and 2999;
create macro read_time_local(x) as case when x is null or x = '' then null when is_spoken(x) then local(spoken(x)) else understood(instant_us(x)) end;
create macro odd_time_local(x) as case when x is null or x = '' or is_spoken(x) then null else nullif(instant_oddity(x), 'format') end;
create macro read_day(x) as local_day(read_time_local(x));
create macro odd_day(x) as odd_time_local(x);

create macro read_flag(x) as yes(x);
create macro odd_flag(x) as case when x is null or x in ('0', '1', 'true', 'false', '') then null when yes(x) is null and not is_filler(x) then 'unreadable_value'
    when is_filler(x) then 'filler' else 'word' end;

-- Numbers as they are written here: points part thousands, a comma parts decimals; a unit may follow.
create macro is_plain(x) as regexp_full_match(x, '\d{1,15}');
create macro read_money(x) as case when x is null or x = '' then null when is_plain(x) then try_cast(x as bigint) else whole_number(x) end;
create macro odd_money(x) as case when x is null or is_plain(x) or is_filler(x) then null when whole_number(x) is null then 'unreadable_value' else 'format' end;
create macro read_count(x) as case when length(x) < 10 then try_cast(read_money(x) as integer) end;
create macro odd_count(x) as odd_money(x);
create macro read_number(x) as coalesce(try_cast(x as double), whole_number(x)::double);
create macro odd_number(x) as case when try_cast(x as double) is null then odd_money(x) end;

-- 12 digits (CCCD), 9 (CMND), 10 or 13 (tax code), a passport; what a spreadsheet made of one, 11 digits or 4.9E+10, is none.
create macro read_identity(x) as case when regexp_full_match(bare(x), '[A-Z]{0,2}(\d{6,10}|\d{12,13})') and not is_identity_dummy(bare(x)) then bare(x) end;
create macro odd_identity(x) as case when x is null or is_filler(bare(x)) then null when is_identity_dummy(bare(x)) then 'dummy' when read_identity(x) is null then 'damaged' end;

-- A phone number as it is dialled today, in E.164; numbers of before 2017 and 2018 are brought up to date.
create macro read_phone(x) as case when x is null or x = '' then null when regexp_full_match(x, '\+84(3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}') then x
    when regexp_full_match(x, '0(3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}') then '+84' || x[2:] else phone_number(x) end;
create macro odd_phone(x) as case when x is null or x = '' or is_filler(x) or regexp_full_match(x, '(\+84|0)(3[2-9]|5[25689]|7[06-9]|8[1-9]|9\d)\d{7}') then null
    when phone_number(x) is null then 'unreadable_phone' else 'phone_format' end;

create macro read_text(x) as nullif(x, '');
create macro odd_text(x) as null::varchar;
create macro read_json(x) as x;
create macro odd_json(x) as null::varchar;
