import com.fasterxml.jackson.databind.ObjectMapper;
import com.twilio.Twilio;
import com.twilio.base.Resource;
import com.twilio.base.ResourceSet;
import com.twilio.exception.ApiException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;

/** One line per operation, and the checks the operations are made of. */
final class Report {
    static final ObjectMapper JSON = new ObjectMapper();
    private static boolean failed;
    private static int people;

    interface Act {
        void run() throws Exception;
    }

    private Report() {}

    /** Runs one operation and prints a line for it; a failed one does not stop those that follow. */
    static void perform(String operation, Act act) {
        var outcome = new LinkedHashMap<String, Object>();
        outcome.put("client", "java");
        outcome.put("version", Twilio.VERSION);
        outcome.put("operation", operation);
        outcome.put("ok", true);
        try {
            act.run();
        } catch (Exception | AssertionError error) {
            failed = true;
            outcome.put("ok", false);
            outcome.put("detail", error.getClass().getSimpleName() + ": " + error.getMessage());
        }
        try {
            System.out.println(JSON.writeValueAsString(outcome));
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    static boolean failed() {
        return failed;
    }

    /** A fictitious person per call: a pair of number and person is not handed out again before its cool-down. */
    static String nextPerson() {
        return String.format("+120255501%02d", people++);
    }

    static void equal(String what, Object actual, Object expected) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(what + " is " + actual + ", not " + expected);
        }
    }

    static void matches(String what, String text, String pattern) {
        if (text == null || !text.matches(pattern)) {
            throw new AssertionError(what + " " + text + " does not match " + pattern);
        }
    }

    static void recent(String what, ZonedDateTime moment) {
        if (moment == null || Duration.between(moment, ZonedDateTime.now()).abs().toSeconds() > 60) {
            throw new AssertionError(what + " is " + moment + ", not of just now");
        }
    }

    static void refused(Act act, int status, int code, String words) throws Exception {
        try {
            act.run();
        } catch (ApiException refusal) {
            equal("status", refusal.getStatusCode(), status);
            equal("code", refusal.getCode(), code);
            matches("more_info", refusal.getMoreInfo(), "https://.*/" + code);
            if (!refusal.getMessage().toLowerCase(Locale.ROOT).contains(words.toLowerCase(Locale.ROOT))) {
                throw new AssertionError("message " + refusal.getMessage() + " does not say " + words);
            }
            return;
        }
        throw new AssertionError("the call was not refused");
    }

    /**
     * Texts a proxy number from a person's simulated handset: a text that arrives is not one of the API's own calls.
     */
    static void textFromHandset(String from, String to, String body) throws Exception {
        String message = JSON.writeValueAsString(Map.of("from", from, "to", to, "body", body));
        String credentials = Client.ACCOUNT_SID + ":" + Client.environment("CONFORMANCE_AUTH_TOKEN");
        var request = HttpRequest.newBuilder(URI.create(Client.BASE_URL + "/simulator/messages"))
                .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(credentials.getBytes()))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(message))
                .build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        equal("status", answer.statusCode(), 202);
    }

    /** Tries again until there is something: a relayed message is logged a moment after it was sent. */
    static <T> T eventually(Supplier<T> find) throws InterruptedException {
        for (int attempt = 0; attempt < 50; attempt++) {
            T found = find.get();
            if (found != null) {
                return found;
            }
            Thread.sleep(100);
        }
        throw new AssertionError("nothing came within 50 attempts");
    }

    /** Drains one of the library's result sets, which walk from page to page by themselves. */
    static <T extends Resource> List<String> collect(ResourceSet<T> records, Function<T, String> sid) {
        var sids = new ArrayList<String>();
        for (T record : records) {
            sids.add(sid.apply(record));
        }
        return sids;
    }

    static List<String> sorted(List<String> sids) {
        return sids.stream().sorted().distinct().toList();
    }
}
