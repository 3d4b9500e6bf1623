"""Generates document subjects that contain personal data, as registries write them; none of it may be published."""

from lgsp_province.world import people


def generate(bits: int) -> tuple[str, tuple[str, ...]]:
    """A subject, and the personal data in it: name, identity number, phone number or e-mail address."""
    person = people.person(bits >> 3 | bits << 61 & 0xFFFFFFFFFFFFFFFF, is_firm=False)
    title = "ông" if person.is_male else "bà"
    phone = person.phone
    email = person.email or f"cong.dan{bits % 1000}@example.vn"
    dotted, spaced, abroad = (
        f"{phone[:4]}.{phone[4:7]}.{phone[7:]}",
        f"{phone[:4]} {phone[4:7]} {phone[7:]}",
        f"+84{phone[1:]}",
    )
    forms = (
        (f"giải quyết đơn của {title} {person.name}, điện thoại {phone}", (person.name, phone)),
        (f"xác minh {title} {person.name.upper()}, số CCCD {person.identity_number}", (person.name.upper(), person.identity_number)),
        (f"trả lời kiến nghị của công dân {person.name} (email {email})", (person.name, email)),
        (f"đơn khiếu nại của {title} {person.name.lower()}, ĐT: {dotted}", (person.name.lower(), dotted)),
        (f"cấp giấy phép cho hộ {title} {person.name} - {abroad}", (person.name, abroad)),
        (f"cử đồng chí {person.name} dự tập huấn, liên hệ {spaced}", (person.name, spaced)),
        (f"đề nghị xác nhận thông tin của {person.name}", (person.name,)),
        (f"CMND {person.identity_number[3:]} của {title} {person.name} đã hết hạn", (person.identity_number[3:], person.name)),
    )  # fmt: skip
    return forms[bits % len(forms)]
