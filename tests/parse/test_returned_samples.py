"""F7: whom each real bounce of the samples names, with which code, and which mail came back.

The manifest says only that they are bounces.  What stands here was read in each file by eye; an empty place is one
where the file itself does not say it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.model.letter import Kind, Returned
from maild.parse import read_letter

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "eml"

SAID: dict[str, Returned] = {
    "mikel/raw_email_with_mimepart_without_content_type.eml": Returned(
        status="4.5.0",
        recipients=("larose.julie@courrier.uqam.ca",),
        is_delayed=True,
        message_id="89d7557c0610181510r6fa5ebd8n66a7deec71ade118@mail.gmail.com",
    ),
    "mikel/multipart_report_multiple_status.eml": Returned(
        status="5.3.0",
        recipients=("u@ci.com",),
        message_id="4c2a146147ac8_61ff157c4ec1652df@s.h.c.mail",
    ),
    "mikel/report_422.eml": Returned(
        status="4.2.2",
        recipients=("fraser@oooooooo.com.au",),
        is_delayed=True,
        message_id="15655788.13.1200472642578.JavaMail.Administrator@mail.ttttt.com.au",
    ),
    "webklex/example_bounce.eml": Returned(
        status="5.1.8",
        recipients=("ding@ding.de",),
        message_id="UyVznI5nOyYGnv7Ij0hi6ro4gvxwGT999eQAtc4o@127.0.0.1",
    ),
    "enmime/delayed_dsn.eml": Returned(
        status="4.0.0", recipients=("thomas@de-montfort.ac.uk",), is_delayed=True
    ),
    "enmime/dsn_with_multipart_alternative.eml": Returned(
        status="5.1.10", recipients=("non-existing@example.com",)
    ),
    "enmime/multi_recipient_dsn.eml": Returned(
        status="5.1.1", recipients=("arathib@vnet.ibm.com", "wsnell@sdcc13.ucsd.edu")
    ),
    "enmime/simple_dsn.eml": Returned(status="4.4.1", recipients=("louisl@larry.slip.umd.edu",)),
    "enmime/multipart-wo-boundary.eml": Returned(),
    "flanker/broken-mime.eml": Returned(recipients=("info@example.net",)),
    "flanker/delayed.eml": Returned(status="4.4.1", recipients=("foo@example.com",)),
    "flanker/gmail-no-dns.eml": Returned(status="5.1.2", recipients=("user@example.comm",)),
    "flanker/mailbox-full.eml": Returned(
        status="5.2.2", recipients=("user@aol.com",), message_id="4E326A95.3010907@example.com"
    ),
    "flanker/office365.eml": Returned(
        status="5.1.10",
        recipients=("noname@example.com",),
        message_id="20171013111011.20866.254C2F3A4D7AA526@ninomail.com",
    ),
    "flanker/zed.eml": Returned(
        status="5.1.1",
        recipients=("asdfasdfasdfasdfasdfasdfewrqertrtyrthsfgdfgadfqeadvxzvz@gmail.com",),
        message_id="20090708054735.GC7578@example.com",
    ),
    "php_mime/failure.eml": Returned(),
    "nodemailer/delivery-status.eml": Returned(
        status="5.1.1", recipients=("xxxx@xxxx.com",), message_id="xxxxx@email.amazonses.com"
    ),
    "postal_mime/bounce.eml": Returned(
        status="5.1.1",
        recipients=("htfgvhyufthdgcvhgjyfthgc@ethereal.email",),
        message_id="e85f1c9b-9b51-4028-8ec0-0a657155028e@app.fastmail.com",
    ),
    "mox/message-rfc822-multipart2.eml": Returned(status="5.1.1", recipients=("user@domain",)),
    "sisimai/lhost-amavis-01.eml": Returned(
        status="5.1.1",
        recipients=("neko@example.co.jp",),
        message_id="Qdmail.0.0.0e_8ed60e1eb3e559f02254e3437c3110b1@example.net",
    ),
    "sisimai/lhost-amazonworkmail-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.jp",),
        message_id="000001523f1865dd-0dbfd06e-bfce-4637-b049-3318ea42f98a-000000@us-west-2.amazonses.com",
    ),
    "sisimai/lhost-barracuda-01.eml": Returned(
        status="5.7.1",
        recipients=("kijitora@example.org",),
        message_id="ad4be1052982bf7aa5558be760abbf74@neko.example.com",
    ),
    "sisimai/lhost-domino-01.eml": Returned(status="5.1.1", recipients=("kijitora@example.jp",)),
    "sisimai/lhost-exchange2003-01.eml": Returned(
        status="5.1.1", recipients=("kijitora@example.jp",)
    ),
    "sisimai/lhost-exim-01.eml": Returned(
        status="5.7.0",
        recipients=("kijitora@example.ed.jp",),
        message_id="E1P1ce6-000Egt-GZ@e1.example.org",
    ),
    "sisimai/lhost-gmx-01.eml": Returned(
        status="5.2.2",
        recipients=("shironeko@example.jp",),
        message_id="trinity-d174cb7e-d4a8-4dd5-8b53-7a9f70928e75-1417217529360@3capp-mailcom-lxa02",
    ),
    "sisimai/lhost-googleworkspace-01.eml": Returned(
        recipients=("neko-nyaan-cat-meeting@google-groups.example.com",),
        message_id="CAByYQsF5qdTf_h-1AAVPW0RgR1YN+LE=+0Uv9LpQ4aA_myPtCw@mail.gmail.com",
    ),
    "sisimai/lhost-kddi-01.eml": Returned(
        status="5.2.2",
        recipients=("kijitora@x0000000000000.dion.ne.jp",),
        message_id="2013000000000000@example.jp",
    ),
    "sisimai/lhost-mcafee-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.co.jp",),
        message_id="000000000000000000000.shironeko@example.jp",
    ),
    "sisimai/lhost-mfilter-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.com",),
        message_id="000000000000000@exmaple.com",
    ),
    "sisimai/lhost-mxlogic-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.co.jp",),
        message_id="0AE85451-E088-48AE-804E-1F4B713B6C63@example.jp",
    ),
    "sisimai/lhost-opensmtpd-01.eml": Returned(
        status="5.1.1", recipients=("apdugoaidugoaidugoaeiudggadi@gmail.com",)
    ),
    "sisimai/lhost-postfix-01.eml": Returned(
        status="5.1.1", recipients=("r@p351355.pool.example.ne.jp",)
    ),
    "sisimai/lhost-qmail-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.ne.jp",),
        message_id="000000000.9999999999999.JavaMail.postmaster@mailhub",
    ),
    "sisimai/lhost-sendmail-01.eml": Returned(
        status="5.1.1",
        recipients=("userunknown@bouncehammer.jp",),
        message_id="E1C50F1B-1C83-4820-BC36-AC6FBFBE8568@example.org",
    ),
    "sisimai/lhost-trendmicro-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.co.jp",),
        message_id="00000000000.000000000000@e3.example.co.jp",
    ),
    "sisimai/lhost-verizon-01.eml": Returned(recipients=("0000000000@vzwpix.com",)),
    "sisimai/lhost-x3-01.eml": Returned(
        status="5.3.0",
        recipients=("kijitora@example.com",),
        message_id="fffffffffffffffffffffffffffffff@xample.org",
    ),
    "sisimai/lhost-x5-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@neko.example.org",),
        message_id="2222222222.0000000000002.JavaMail.nekogate@cat.example.jp",
    ),
    "sisimai/lhost-yahoo-01.eml": Returned(
        status="5.1.1",
        recipients=("kijitora@example.org",),
        message_id="6AE6249A-E7A8-4980-862C-F499F6B8E7C5@y.example.co.jp",
    ),
    "sisimai/rfc3464-03.eml": Returned(
        status="5.0.0",
        recipients=("kijitora@example.com",),
        message_id="220000000022.0000.0000000000000000222@NEKO.NYAAN",
    ),
    "sisimai/rhost-cloudflare-01.eml": Returned(
        status="4.3.0",
        recipients=("kijitora-neko@example.com",),
        message_id="QtF9aH-aSDIzG-WP@mx.example.jp",
    ),
    "sisimai/rhost-messagelabs-01.eml": Returned(
        status="5.0.0",
        recipients=("kijitora@example.messagelabs.com",),
        message_id="000000000222.0000.0000000000000000202@NEKO.NYAAN",
    ),
    "sisimai/rhost-mimecast-01.eml": Returned(
        status="5.0.0",
        recipients=("sabatora@example.com",),
        message_id="7B0s8rbG08zYDdPt.WaOHIQht053802@NEKO-NYAAN-22.LOCAL",
    ),
    "sisimai/rhost-spectrum-01.eml": Returned(
        status="5.1.0",
        recipients=("theusername@charter.net",),
        message_id="010001725d8ad4fc-9fe8fb1f-0292-430b-a634-1eba65166dbb-000000@email.amazonses.com",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_F7_a_real_bounce_says_who_was_not_reached_and_why_and_by_which_mail(name: str) -> None:
    if not SAMPLES.exists():
        pytest.skip(f"no samples at {SAMPLES}")
    letter = read_letter((SAMPLES / name).read_bytes())
    assert letter.kind is Kind.BOUNCE, letter.kind_proof
    assert letter.returned == SAID[name]


def test_F7_no_bounce_of_the_samples_is_left_out() -> None:
    if not SAMPLES.exists():
        pytest.skip(f"no samples at {SAMPLES}")
    mails = {
        path.relative_to(SAMPLES).as_posix(): read_letter(path.read_bytes())
        for path in sorted(SAMPLES.rglob("*.eml"))
    }
    assert {name for name, mail in mails.items() if mail.kind is Kind.BOUNCE} == set(SAID)
