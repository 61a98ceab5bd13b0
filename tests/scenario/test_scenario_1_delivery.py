"""Mail to each of John Smith's addresses arrives; what the directory does not know is refused."""

FIVE = (
    "sample.user@example.com",
    "sample_user@example.com",
    "sampleuser@example.com",
    "sample@example.com",
    "john.smith@example.com",
)
UNKNOWN = "nobody.here@example.com"


def refused(posting) -> bool:
    return posting.reply.startswith("550 5.1.1 ") and posting.said["outcome"] == "reject"


def test_scenario_1_five_addresses_arrive_by_lmtp(stack, post):
    sent = post.send(*FIVE)
    assert [p.said["outcome"] for p in sent] == ["deliver"] * 5
    post.arrive(sent)
    assert "lmtp" in stack.get("mail1", "/etc/postfix/main.cf")


def test_scenario_1_five_addresses_arrive_by_pipe(stack, post):
    with stack.configured("mail1", {"postfix": {"cyrus": {"delivery": "pipe"}}}):
        start = len(stack["mail1"].logs())
        post.arrive(post.send(*FIVE))
        log = stack["mail1"].logs()[start:]
        assert log.count("relay=cyrus,") == 5
    assert "mailbox_transport = cyrus-lmtp:" in stack.get("mail1", "/etc/postfix/main.cf")


def test_scenario_1_unknown_addresses_are_refused_at_rcpt(post):
    [unknown] = post.send(UNKNOWN)
    assert refused(unknown)
    assert unknown.answer["data"] is None
    # The mailbox host, too, knows whom it has a mailbox for.
    [unknown, known] = post.send("nobody@mail1.internal", "jane.doe@mail1.internal", host="mail1")
    assert refused(unknown)
    post.arrive([known], "jane.doe")


def test_scenario_1_an_alias_works_from_one_moment_to_the_next(stack, post):
    alias = "sampleuser@example.com"
    stack.administer("alias", "remove", "john.smith", alias)
    try:
        [gone] = post.send(alias)
        assert refused(gone)
    finally:
        stack.administer("alias", "add", "john.smith", alias)
    post.arrive(post.send(alias))


def test_scenario_1_mail_finds_the_mx_by_dns_and_other_mail_is_not_relayed(stack, post):
    answer = stack.run("outside", "swaks", "--to", "jd@example.com", "--from", "a@elsewhere.test",
                       "--quit-after", "RCPT", "--server", "mx.example.com")  # fmt: skip
    assert b"250 2.1.5" in answer.stdout
    [foreign] = post.send("somebody@elsewhere.test")
    assert foreign.reply.startswith("554 5.7.1 ")


def test_scenario_1_on_389_directory_server(stack, post):
    with stack.configured("mx", {"uri": ["ldap://ds1.internal"]}):
        sent = post.send(*FIVE, UNKNOWN)
        assert refused(sent.pop())
        post.arrive(sent)
