-- Work file records.
select w.raw_pointer, w.raw_hash, w.repairs, w.maHoSo as source_key, w.maHoSo as work_file_id,
    coalesce(organisation_code(w.maDonVi), 'UNKNOWN') as organisation_id, displayable(w.maDonVi) as organisation_source,
    level(upper(trim(w.capDonVi))) as level, displayable(w.capDonVi) as level_source,
    w.ngayMo as opened_on, w.ngayDong as closed_on, w.xuLyDienTu as is_electronic, w.soVanBan as document_count,
    w.ngayCapNhat as source_updated_at,
    coalesce(text_key(w.doMat), '') not in (${not_secret}) as is_secret,
    o.organisation_id is not null as is_organisation_known,
    false as is_deleted  -- the source omits deleted work files from its list: a sweep finds them
from work_files w left join organisation o on o.organisation_id = organisation_code(w.maDonVi)
