from context import ACCOUNT_SID, API_KEY, BASE_URL, NUMBERS, RUN, connect, equal, matches, perform, recent, refused, services, sids


def check_services():
    made = {}

    @perform("services.create")
    def _():
        service = services.create(
            unique_name=f"{RUN}-settings",
            default_ttl=3600,
            callback_url="https://callbacks.example.com/interactions",
            geo_match_level="area-code",
            number_selection_behavior="avoid-sticky",
        )
        made["sid"] = service.sid
        matches(service.sid, "KS")
        equal(service.account_sid, ACCOUNT_SID)
        equal(service.unique_name, f"{RUN}-settings")
        equal(service.default_ttl, 3600)
        equal(service.callback_url, "https://callbacks.example.com/interactions")
        equal(service.geo_match_level, "area-code")
        equal(service.number_selection_behavior, "avoid-sticky")
        equal(service.intercept_callback_url, None)
        equal(service.chat_instance_sid, None)
        equal(service.url, f"{BASE_URL}/v1/Services/{service.sid}")
        equal(service.links["sessions"], f"{service.url}/Sessions")
        equal(service.links["phone_numbers"], f"{service.url}/PhoneNumbers")
        recent(service.date_created)
        recent(service.date_updated)

    sid = made.get("sid", "KS")

    @perform("services.fetch")
    def _():
        equal(services(sid).fetch().default_ttl, 3600)

    @perform("services.fetch-by-name")
    def _():
        equal(services(f"{RUN}-settings").fetch().sid, sid)

    @perform("services.update")
    def _():
        service = services(sid).update(
            unique_name=f"{RUN}-renamed",
            default_ttl=60,
            callback_url="",
            out_of_session_callback_url="https://callbacks.example.com/strangers",
        )
        equal(service.sid, sid)
        equal(service.unique_name, f"{RUN}-renamed")
        equal(service.default_ttl, 60)
        equal(service.callback_url, None)
        equal(service.out_of_session_callback_url, "https://callbacks.example.com/strangers")
        equal(services(sid).update().geo_match_level, "area-code")

    @perform("services.list")
    def _():
        mine = [sid] + [services.create(unique_name=f"{RUN}-{letter}").sid for letter in "abcd"]
        listed = [service.sid for service in services.stream(page_size=2)]
        equal([each for each in listed if each in mine], mine)
        page = services.page(page_size=2)
        equal(len(list(page)), 2)
        equal(len(list(page.next_page())), 2)
        for each in mine[1:]:
            services(each).delete()

    @perform("services.delete")
    def _():
        equal(services(sid).delete(), True)
        refused(lambda: services(sid).fetch(), 404, 20404, "was not found")


def check_credentials():
    @perform("credentials.api-key")
    def _():
        sid = services.create(unique_name=f"{RUN}-key").sid
        with_key = connect(*API_KEY)
        equal(with_key(sid).fetch().account_sid, ACCOUNT_SID)
        equal(with_key(sid).delete(), True)

    @perform("errors.not-found")
    def _():
        nowhere = "KS" + "0" * 32
        refused(services(nowhere).fetch, 404, 20404, f"The requested resource /Services/{nowhere} was not found")

    @perform("errors.wrong-token")
    def _():
        # A list that is refused raises the base class, without a code; everything else raises TwilioRestException.
        refused(connect(ACCOUNT_SID, "f" * 32)(f"{RUN}-settings").fetch, 401, 20003, "authenticat")


def check_phone_numbers(service):
    numbers = services(service).phone_numbers
    made = {}

    @perform("phone-numbers.create-by-number")
    def _():
        number = numbers.create(phone_number=NUMBERS[0])
        made["first"] = number.sid
        matches(number.sid, "PN")
        equal(number.service_sid, service)
        equal(number.phone_number, NUMBERS[0])
        equal(number.iso_country, "US")
        equal(number.is_reserved, False)
        equal(number.in_use, 0)
        equal([number.capabilities[kind] for kind in ("voice", "sms", "mms", "fax")], [True, True, True, False])
        equal(number.capabilities["sms_inbound"], True)
        recent(number.date_created)
        reserved = numbers.create(phone_number=NUMBERS[1], is_reserved=True)
        made["second"] = reserved.sid
        equal(reserved.is_reserved, True)

    first, second = made.get("first", "PN"), made.get("second", "PN")

    @perform("phone-numbers.fetch")
    def _():
        equal(numbers(first).fetch().phone_number, NUMBERS[0])

    @perform("phone-numbers.list")
    def _():
        equal(set(sids(numbers.list(page_size=1))), {first, second})

    @perform("phone-numbers.update")
    def _():
        equal(numbers(second).update(is_reserved=False).is_reserved, False)
        equal(numbers(second).fetch().is_reserved, False)

    @perform("phone-numbers.delete")
    def _():
        equal(numbers(second).delete(), True)
        refused(lambda: numbers(second).fetch(), 404, 20404, "was not found")

    @perform("phone-numbers.create-by-sid")
    def _():
        number = numbers.create(sid=second)
        equal(number.sid, second)
        equal(number.phone_number, NUMBERS[1])
