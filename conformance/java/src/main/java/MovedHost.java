import com.twilio.http.NetworkHttpClient;
import com.twilio.http.Request;
import com.twilio.http.Response;
import com.twilio.http.TwilioRestClient;

/**
 * Sends what is meant for the vendor's host to another one. It is all that differs from a program written for the
 * vendor: the library keeps its base URL to itself but takes any HttpClient.
 */
final class MovedHost extends NetworkHttpClient {
    private final String baseUrl;

    private MovedHost(String baseUrl) {
        this.baseUrl = baseUrl;
    }

    static TwilioRestClient newClient(String baseUrl, String username, String password) {
        return new TwilioRestClient.Builder(username, password).httpClient(new MovedHost(baseUrl)).build();
    }

    @Override
    public Response makeRequest(Request request) {
        var moved = new Request(request.getMethod(), request.getUrl().replace("https://proxy.twilio.com", baseUrl));
        if (request.requiresAuthentication()) {
            moved.setAuth(request.getUsername(), request.getPassword());
        }
        moved.setContentType(request.getContentType());
        moved.setUserAgentExtensions(request.getUserAgentExtensions());
        request.getQueryParams().forEach((name, values) -> values.forEach(v -> moved.addQueryParam(name, v)));
        request.getPostParams().forEach((name, values) -> values.forEach(v -> moved.addPostParam(name, v)));
        request.getHeaderParams().forEach((name, values) -> values.forEach(v -> moved.addHeaderParam(name, v)));
        return super.makeRequest(moved);
    }
}
