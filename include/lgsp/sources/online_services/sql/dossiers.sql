-- The dossiers of the portal, with the columns of the shared record. The portal sends every value as text, and local times.
select
    raw_pointer, raw_hash, repairs, unknown_codes,
    MaHoSo as source_key,
    NgayCapNhat as source_updated_at,
    MaHoSo as source_code,
    MaHoSoKhac as other_code,
    SoBienNhan as receipt_code,
    coalesce(DaXoa, false) as is_deleted,
    MaTTHC as service_source,
    TenTTHC as service_name,
    MaDonViXuLy as organisation_source,
    DonViXuLy as organisation_name,
    LoaiDoiTuong as applicant_kind,
    KenhThucHien as channel,
    NoiNopHoSo as submitted_via,
    HinhThuc as return_method,
    MucDo as online_level,
    TaiKhoanDuocXacThucVoiVNeID as is_identity_verified,
    NgayNopHoSo as submitted_at,
    NgayTiepNhan as received_at,
    coalesce(list_filter(DanhSachHoSoBoSung, lambda b: b.NgayHenTraTruoc is not null)[1].NgayHenTraTruoc, NgayHenTra) as due_first_at,
    NgayHenTra as due_at,
    NgayKetThucXuLy as finished_at,
    NgayTra as returned_at,
    coalesce(NgayTuChoi, list_max(list_transform(list_filter(TienDo, lambda t: t.TrangThai in ('not_accepted', 'withdrawn')), lambda t: t.ThoiDiemXuLy))) as closed_at,
    TrangThaiHoSo as status,
    len(list_filter(DanhSachHoSoBoSung, lambda b: b.NgayHenTraMoi is not null))::integer as extension_count,
    len(DanhSachHoSoBoSung)::integer as supplement_count,
    len(DanhSachGiayToKetQua) > 0 as has_digital_result,
    len(list_filter(TaiLieuNop, lambda t: t.DuocSoHoa))::integer as digitised_component_count,
    len(list_filter(TaiLieuNop, lambda t: t.DuocTaiSuDung))::integer as reused_component_count,
    -- an empty list means that nothing is to be paid; a fee that cannot be read makes the total unknown
    case when not list_contains(list_transform(DanhSachLePhi, lambda f: f.Gia is null), true) then coalesce(list_sum(list_transform(DanhSachLePhi, lambda f: f.Gia)), 0) end::bigint as fee_vnd,
    DuocThanhToanTrucTuyen as is_paid_online,
    DanhGia as satisfaction,
    list_concat(
        list_transform(coalesce(TienDo, []), lambda t: {
            'status': t.TrangThai, 'occurred_at': t.ThoiDiemXuLy,
            'organisation_source': MaDonViXuLy, 'is_inferred': false}),
        list_filter([
            {'status': 'submitted', 'occurred_at': NgayNopHoSo, 'organisation_source': MaDonViXuLy, 'is_inferred': true},
            {'status': 'accepted', 'occurred_at': NgayTiepNhan, 'organisation_source': MaDonViXuLy, 'is_inferred': true},
            {'status': 'finished', 'occurred_at': NgayKetThucXuLy, 'organisation_source': MaDonViXuLy, 'is_inferred': true},
            {'status': 'returned', 'occurred_at': NgayTra, 'organisation_source': MaDonViXuLy, 'is_inferred': true},
            {'status': 'not_accepted', 'occurred_at': NgayTuChoi, 'organisation_source': MaDonViXuLy, 'is_inferred': true}
        ], lambda e: not list_contains(list_transform(coalesce(TienDo, []), lambda t: t.TrangThai), e.status))
    ) as events,
    list_transform(TienDo, lambda t: t.ThoiDiemXuLy) as step_times,
    DinhDanhCHS[1].SoDinhDanh as identity_number,
    SoDienThoai as phone,
    ChuHoSo as applicant_name,
    Email as email
from dossiers
