-- The classes of the institution map: lower bound, name and colour.
select scope, value, label_vi, label_en, colour, legal_basis
from history.indicator_threshold_as_of(${snapshot})
where threshold_id = 'institution_class' and valid_from < ${end} and coalesce(valid_to, 'infinity') >= ${end}
order by value desc
