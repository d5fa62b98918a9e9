"""How a session begins and ends, and what it protects from."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from engine.web.access.accounts import Account
from engine.web.access.passwords import hash_password
from engine.web.access.sessions import Sessions
from engine.web.access.throttle import source_of
from engine.web.office import Role
from tests.web.house import CHEAP, PASSWORD, TOKEN, Clock, House, accounts, csrf_of

SAME = {"Sec-Fetch-Site": "same-origin"}


async def test_a_session_that_somebody_has_put_there_does_not_become_his_who_logs_in(house: House) -> None:
    attacker = await house.logged_in("vera")
    planted = attacker.cookies["forefetch"]
    victim = await house.visitor()
    victim.cookies.set("forefetch", planted, domain="127.0.0.1", path="/")
    fresh = (await house.log_in(victim, "otto")).cookies["forefetch"]
    assert fresh != planted
    for cookie, name in ((fresh, "otto"), (planted, None), ("", None), ("made-up", None)):
        client = await house.visitor(Cookie=f"forefetch={cookie}")
        answer = await client.get("/")
        assert (answer.json().get("name"), answer.status_code) == (name, 200 if name else 401)


async def test_who_logs_out_is_out_in_every_copy_of_his_cookie(house: House) -> None:
    client = await house.logged_in("otto")
    copy = await house.visitor(Cookie=f"forefetch={client.cookies['forefetch']}")
    assert (await copy.get("/")).status_code == 200
    answer = await client.post("/logout", data={"csrf": await csrf_of(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await copy.get("/")).status_code == 401


async def test_a_session_ends_when_its_user_is_removed_or_has_another_password(house: House) -> None:
    otto, vera, other = [await house.logged_in(name) for name in ("otto", "vera", "vera")]
    house.change(otto=None, vera=Account(Role.OPERATOR, accounts()["vera"].password))
    assert (await otto.get("/")).status_code == 401
    assert (await vera.get("/")).json()["role"] == "operator"  # another role is no other user
    house.change(vera=Account(Role.VIEWER, hash_password(PASSWORD, CHEAP)))
    assert [(await it.get("/")).status_code for it in (vera, other)] == [401, 401]
    house.change()
    assert (await otto.get("/")).status_code == 401  # what has ended does not begin again


async def test_who_does_nothing_or_stays_too_long_has_to_log_in_again(house: House) -> None:
    idle, busy = await house.logged_in("otto"), await house.logged_in("vera")
    for _ in range(11):
        house.clock.now += 3600
        assert (await busy.get("/")).status_code == 200
    assert (await idle.get("/")).status_code == 401
    house.clock.now += 3601
    assert (await busy.get("/")).status_code == 401
    busy = await house.logged_in("vera")
    for _ in range(13):
        house.clock.now += 3500
        answer = await busy.get("/")
    assert answer.status_code == 401  # 12 hours are over, whatever he has done


async def test_a_stream_that_a_page_opens_is_no_sign_of_life(house: House) -> None:
    client = await house.logged_in("otto")
    for _ in range(2):
        house.clock.now += 1900
        answer = await client.get("/", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 401


def test_of_too_many_sessions_the_one_that_has_been_idle_for_longest_ends() -> None:
    clock, everybody = Clock(), accounts()
    sessions = Sessions(3600, 3600, clock)
    first, second = (sessions.begin("otto", everybody["otto"]) for _ in range(2))
    clock.now += 1
    assert sessions.find(first, everybody) is not None
    for _ in range(999):
        sessions.begin("vera", everybody["vera"])
    assert sessions.find(second, everybody) is None
    assert sessions.find(first, everybody) is not None


async def test_what_changes_something_has_to_come_from_a_page_of_the_session(house: House) -> None:
    client, other = await house.logged_in("otto"), await house.logged_in("otto")
    right, wrong = await csrf_of(client), await csrf_of(other)
    assert right != wrong
    for header, form, expected in (
        (None, {}, 403),
        (None, {"csrf": ""}, 403),
        (None, {"csrf": wrong}, 403),
        (wrong, {"csrf": right}, 403),
        ("ä", {}, 403),
        (right, {}, 200),
        (None, {"csrf": right, "task": "7"}, 200),
    ):
        headers = {} if header is None else {b"X-CSRF-Token": header.encode()}
        answer = await client.post("/act", data=form, headers=headers)
        assert answer.status_code == expected, (header, form)
    assert answer.json()["form"] == {"csrf": right, "task": "7"}  # and the page reads it all the same
    assert "load the page again" in (await client.post("/act")).json()["detail"]


async def test_the_field_is_found_in_a_form_with_files_too(house: House) -> None:
    client = await house.logged_in("otto")
    csrf = await csrf_of(client)
    files = {"csrf": (None, csrf), "message": (None, "MSH|")}
    assert (await client.post("/act", files=files)).json()["form"]["message"] == "MSH|"
    as_file = {"csrf": ("a.txt", csrf.encode())}
    assert (await client.post("/act", files=as_file)).status_code == 403
    assert (await client.post("/act", json={"csrf": csrf})).status_code == 403
    broken = {"Content-Type": "multipart/form-data"}
    assert (await client.post("/act", content=b"x", headers=broken)).status_code == 400


@pytest.mark.parametrize("header", ["Sec-Fetch-Site", "Origin"])
async def test_what_another_page_sends_is_refused_whatever_it_knows(house: House, header: str) -> None:
    client = await house.logged_in("otto")
    csrf = await csrf_of(client)
    values = {
        "Sec-Fetch-Site": [("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 200)],
        "Origin": [
            ("http://evil.example", 403),
            ("null", 403),
            ("http://127.0.0.1:1", 403),
            (house.url, 200),
        ],
    }
    for value, expected in values[header]:
        headers = {"X-CSRF-Token": csrf, header: value}
        assert (await client.post("/act", headers=headers)).status_code == expected, value


async def test_a_token_needs_no_page_since_no_browser_sends_it_of_itself(house: House) -> None:
    client = await house.visitor(TOKEN)
    answer = await client.post("/act", data={"task": "7"}, headers={"Origin": "http://tool.example"})
    assert answer.json() == {"name": "otto", "form": {"task": "7"}}


async def test_nobody_is_logged_in_by_the_form_of_another_page(house: House) -> None:
    client = await house.visitor()
    form = {"name": "otto", "password": PASSWORD}
    for headers in (
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = await client.post("/login", data=form, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), headers
    assert (await client.post("/login", data=form, headers={"Origin": house.url})).status_code == 303


async def test_what_is_too_large_is_not_read_to_its_end(house: House) -> None:
    client = await house.logged_in("otto")
    headers = {"X-CSRF-Token": await csrf_of(client)}
    assert (await client.post("/act", content=b"x" * 60_000, headers=headers)).status_code == 200
    assert (await client.post("/act", content=b"x" * 80_000, headers=headers)).status_code == 413
    stranger = await house.visitor()
    form = b"name=" + b"x" * 20_000
    assert (await stranger.post("/login", content=form, headers=SAME)).status_code == 403


@pytest.mark.parametrize("begin", [b"&", b"a&", b"csrf=x&"])
async def test_a_form_of_nothing_but_separators_is_not_taken_apart(house: House, begin: bytes) -> None:
    for client in (await house.logged_in("vera"), await house.visitor(TOKEN)):
        for media in ("application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded"):
            answer = await client.post("/act", content=begin * 1001, headers={"Content-Type": media})
            assert (answer.status_code, "1000 fields" in answer.text) == (400, True)


@pytest.mark.parametrize(("path", "status"), [("/login", 403), ("/act", 400)])
async def test_who_does_not_come_to_the_end_is_not_waited_for(
    house: House, path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.web.access.body._PATIENCE", 0.05)
    reader, writer = await asyncio.open_connection(*house.web.address)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\n"
    writer.write(head.encode() + b"x")
    async with asyncio.timeout(20):
        assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()
    await writer.wait_closed()


async def attempts(house: House, client: httpx.AsyncClient, name: str, number: int) -> list[int]:
    return [(await house.log_in(client, name, "wrong")).status_code for _ in range(number)]


async def test_whoever_tries_passwords_has_to_wait_longer_each_time(house: House) -> None:
    client = await house.visitor()
    assert await attempts(house, client, "otto", 6) == [401] * 5 + [429]
    refused = await house.log_in(client, "otto")
    assert refused.status_code == 429  # the right password too: else one could go on trying
    assert refused.headers["retry-after"] == "1"
    for pause in (2, 4, 8):
        house.clock.now += pause / 2
        assert await attempts(house, client, "otto", 2) == [401, 429]
        assert (await house.log_in(client, "otto")).headers["retry-after"] == str(pause)
    house.clock.now += 8
    assert (await house.log_in(client, "otto")).status_code == 303
    assert len([it for it in house.told if not getattr(it, "succeeded", True)]) == 8


async def test_one_address_cannot_go_on_with_other_names_nor_by_logging_in_itself(house: House) -> None:
    client = await house.visitor()
    names = [f"name{number}" for number in range(5)]
    assert [(await house.log_in(client, name, "wrong")).status_code for name in names] == [401] * 5
    assert (await house.log_in(client, "vera")).status_code == 429
    house.clock.now += 1
    assert (await house.log_in(client, "vera")).status_code == 303
    house.clock.now += 2  # his own attempt was counted as it began
    assert await attempts(house, client, "otto", 2) == [401, 429]
    house.clock.now += 1801  # all is forgotten
    assert await attempts(house, client, "otto", 6) == [401] * 5 + [429]


async def test_nobody_is_kept_out_by_what_others_try_with_his_name(house: House) -> None:
    await house.logged_in("otto")
    for number in range(2, 5):
        transport = httpx.AsyncHTTPTransport(local_address=f"127.0.0.{number}")
        async with httpx.AsyncClient(base_url=house.url, transport=transport) as stranger:
            codes = await attempts(house, stranger, "otto", 2)
    assert codes == [401, 429]  # the sixth of all has to wait
    await house.logged_in("otto")


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_all_that_somebody_has_of_ipv6_is_one_source(address: str, source: str) -> None:
    assert source_of(address) == source
