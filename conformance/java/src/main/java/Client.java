import com.twilio.http.TwilioRestClient;
import com.twilio.rest.proxy.v1.Service;
import com.twilio.rest.proxy.v1.service.PhoneNumber;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * The Maven artifact com.twilio.sdk:twilio. What differs from a program written for the vendor is in MovedHost.
 * Everything is checked as the library hands it out: dates as ZonedDateTime, refusals as ApiException.
 */
final class Client {
    static final String BASE_URL = environment("CONFORMANCE_BASE_URL");
    static final String ACCOUNT_SID = environment("CONFORMANCE_ACCOUNT_SID");
    static final List<String> NUMBERS = List.of(environment("CONFORMANCE_NUMBERS").split(","));
    static final String RUN = "java-" + UUID.randomUUID().toString().substring(0, 8);
    static final TwilioRestClient API =
            MovedHost.newClient(BASE_URL, ACCOUNT_SID, environment("CONFORMANCE_AUTH_TOKEN"));

    private Client() {}

    public static void main(String[] arguments) {
        checkServices();
        checkCredentials();
        String orders = Service.creator(RUN + "-orders").create(API).getSid();
        try {
            checkPhoneNumbers(orders);
            new Sessions(orders).check();
        } finally {
            Service.deleter(orders).delete(API);
        }
        System.exit(Report.failed() ? 1 : 0);
    }

    static String environment(String name) {
        String text = System.getenv(name);
        if (text == null || text.isEmpty()) {
            System.err.println("Set " + name + ".");
            System.exit(2);
        }
        return text;
    }

    private static void checkServices() {
        var made = new ArrayList<>(List.of("KS"));
        Report.perform("services.create", () -> {
            Service service = Service.creator(RUN + "-settings")
                    .setDefaultTtl(3600)
                    .setCallbackUrl("https://callbacks.example.com/interactions")
                    .setGeoMatchLevel(Service.GeoMatchLevel.AREA_CODE)
                    .setNumberSelectionBehavior(Service.NumberSelectionBehavior.AVOID_STICKY)
                    .create(API);
            made.set(0, service.getSid());
            Report.matches("sid", service.getSid(), "KS[0-9a-f]{32}");
            Report.equal("account_sid", service.getAccountSid(), ACCOUNT_SID);
            Report.equal("unique_name", service.getUniqueName(), RUN + "-settings");
            Report.equal("default_ttl", service.getDefaultTtl(), 3600);
            Report.equal("callback_url", service.getCallbackUrl().toString(),
                    "https://callbacks.example.com/interactions");
            Report.equal("geo_match_level", service.getGeoMatchLevel(), Service.GeoMatchLevel.AREA_CODE);
            Report.equal("number_selection_behavior", service.getNumberSelectionBehavior(),
                    Service.NumberSelectionBehavior.AVOID_STICKY);
            Report.equal("intercept_callback_url", service.getInterceptCallbackUrl(), null);
            Report.equal("chat_instance_sid", service.getChatInstanceSid(), null);
            Report.equal("url", service.getUrl().toString(), BASE_URL + "/v1/Services/" + service.getSid());
            Report.equal("links.sessions", service.getLinks().get("sessions"), service.getUrl() + "/Sessions");
            Report.equal("links.phone_numbers", service.getLinks().get("phone_numbers"),
                    service.getUrl() + "/PhoneNumbers");
            Report.recent("date_created", service.getDateCreated());
            Report.equal("date_updated", service.getDateUpdated(), service.getDateCreated());
        });
        String sid = made.get(0);
        Report.perform("services.fetch",
                () -> Report.equal("default_ttl", Service.fetcher(sid).fetch(API).getDefaultTtl(), 3600));
        Report.perform("services.fetch-by-name",
                () -> Report.equal("sid", Service.fetcher(RUN + "-settings").fetch(API).getSid(), sid));
        Report.perform("services.update", () -> {
            Service service = Service.updater(sid)
                    .setUniqueName(RUN + "-renamed")
                    .setDefaultTtl(60)
                    .setOutOfSessionCallbackUrl("https://callbacks.example.com/strangers")
                    .update(API);
            Report.equal("unique_name", service.getUniqueName(), RUN + "-renamed");
            Report.equal("default_ttl", service.getDefaultTtl(), 60);
            Report.equal("out_of_session_callback_url", service.getOutOfSessionCallbackUrl().toString(),
                    "https://callbacks.example.com/strangers");
            Report.equal("unchanged", Service.updater(sid).update(API).getUniqueName(), RUN + "-renamed");
        });
        Report.perform("services.list", () -> checkServiceList(sid));
        Report.perform("services.delete", () -> {
            Report.equal("deleted", Service.deleter(sid).delete(API), true);
            Report.refused(() -> Service.fetcher(sid).fetch(API), 404, 20404, "was not found");
        });
    }

    private static void checkServiceList(String sid) {
        var mine = new ArrayList<>(List.of(sid));
        for (String letter : List.of("a", "b", "c", "d")) {
            mine.add(Service.creator(RUN + "-" + letter).create(API).getSid());
        }
        List<String> listed = Report.collect(Service.reader().pageSize(2).read(API), Service::getSid);
        Report.equal("listed", listed.stream().filter(mine::contains).toList(), mine);
        var firstPage = Service.reader().pageSize(2).firstPage(API);
        Report.equal("first page", firstPage.getRecords().size(), 2);
        Report.equal("second page", Service.reader().nextPage(firstPage, API).getRecords().size(), 2);
        for (String each : mine.subList(1, 5)) {
            Service.deleter(each).delete(API);
        }
    }

    private static void checkCredentials() {
        Report.perform("credentials.api-key", () -> {
            String sid = Service.creator(RUN + "-key").create(API).getSid();
            TwilioRestClient withKey = MovedHost.newClient(
                    BASE_URL, environment("CONFORMANCE_API_KEY_SID"), environment("CONFORMANCE_API_KEY_SECRET"));
            Report.equal("account_sid", Service.fetcher(sid).fetch(withKey).getAccountSid(), ACCOUNT_SID);
            Report.equal("deleted", Service.deleter(sid).delete(withKey), true);
        });
        Report.perform("errors.not-found", () -> {
            String nowhere = "KS" + "0".repeat(32);
            Report.refused(() -> Service.fetcher(nowhere).fetch(API), 404, 20404,
                    "The requested resource /Services/" + nowhere + " was not found");
        });
        Report.perform("errors.wrong-token", () -> {
            TwilioRestClient stranger = MovedHost.newClient(BASE_URL, ACCOUNT_SID, "f".repeat(32));
            Report.refused(() -> Service.reader().read(stranger), 401, 20003, "authenticat");
        });
    }

    private static void checkPhoneNumbers(String service) {
        var made = new ArrayList<>(List.of("PN", "PN"));
        Report.perform("phone-numbers.create-by-number", () -> {
            PhoneNumber number = PhoneNumber.creator(service).setPhoneNumber(NUMBERS.get(0)).create(API);
            made.set(0, number.getSid());
            Report.matches("sid", number.getSid(), "PN[0-9a-f]{32}");
            Report.equal("service_sid", number.getServiceSid(), service);
            Report.equal("phone_number", number.getPhoneNumber().toString(), NUMBERS.get(0));
            Report.equal("iso_country", number.getIsoCountry(), "US");
            Report.equal("is_reserved", number.getIsReserved(), false);
            Report.equal("in_use", number.getInUse(), 0);
            // This class looks for MMS and SMS in capitals, which Proxy has never written; voice it does find.
            Report.equal("voice", number.getCapabilities().getVoice(), true);
            Report.recent("date_created", number.getDateCreated());
            PhoneNumber reserved =
                    PhoneNumber.creator(service).setPhoneNumber(NUMBERS.get(1)).setIsReserved(true).create(API);
            made.set(1, reserved.getSid());
            Report.equal("is_reserved", reserved.getIsReserved(), true);
        });
        String first = made.get(0);
        String second = made.get(1);
        Report.perform("phone-numbers.fetch", () -> Report.equal("phone_number",
                PhoneNumber.fetcher(service, first).fetch(API).getPhoneNumber().toString(), NUMBERS.get(0)));
        Report.perform("phone-numbers.list", () -> {
            var listed = Report.collect(PhoneNumber.reader(service).pageSize(1).read(API), PhoneNumber::getSid);
            Report.equal("how many", listed.size(), 2);
            Report.equal("listed", Report.sorted(listed), Report.sorted(made));
        });
        Report.perform("phone-numbers.update", () -> {
            PhoneNumber.updater(service, second).setIsReserved(false).update(API);
            Report.equal("is_reserved", PhoneNumber.fetcher(service, second).fetch(API).getIsReserved(), false);
        });
        Report.perform("phone-numbers.delete", () -> {
            Report.equal("deleted", PhoneNumber.deleter(service, second).delete(API), true);
            Report.refused(() -> PhoneNumber.fetcher(service, second).fetch(API), 404, 20404, "was not found");
        });
        Report.perform("phone-numbers.create-by-sid", () -> {
            PhoneNumber number = PhoneNumber.creator(service).setSid(second).create(API);
            Report.equal("sid", number.getSid(), second);
            Report.equal("phone_number", number.getPhoneNumber().toString(), NUMBERS.get(1));
        });
    }
}
