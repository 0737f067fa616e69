// The Go module twilio-go. What differs from a program written for the vendor is in transport.go. Everything is checked
// as the library hands it out: dates as *time.Time, refusals as *client.TwilioRestError.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	proxy "github.com/twilio/twilio-go/rest/proxy/v1"
)

var (
	baseURL    = must(url.Parse(environment("CONFORMANCE_BASE_URL")))
	accountSid = environment("CONFORMANCE_ACCOUNT_SID")
	numbers    = strings.Split(environment("CONFORMANCE_NUMBERS"), ",")
	api        = newClient(baseURL, accountSid, environment("CONFORMANCE_AUTH_TOKEN")).ProxyV1
	run        = "go-" + randomName()
	people     = 0
)

func randomName() string {
	bytes := make([]byte, 4)
	must(rand.Read(bytes))
	return hex.EncodeToString(bytes)
}

// A fictitious person per call: a pair of number and person is not handed out again before its cool-down.
func nextPerson() string {
	people++
	return fmt.Sprintf("+120255501%02d", people-1)
}

func main() {
	checkServices()
	checkCredentials()
	orders := must(api.CreateService((&proxy.CreateServiceParams{}).SetUniqueName(run + "-orders")))
	service := value(orders.Sid, "sid")
	checkPhoneNumbers(service)
	session := checkSessions(service)
	checkParticipants(service, session)
	checkClosing(service, session)
	done(api.DeleteService(service))
	if failed {
		os.Exit(1)
	}
}

func checkServices() {
	var sid string
	perform("services.create", func() {
		service := must(api.CreateService((&proxy.CreateServiceParams{}).
			SetUniqueName(run + "-settings").
			SetDefaultTtl(3600).
			SetCallbackUrl("https://callbacks.example.com/interactions").
			SetGeoMatchLevel("area-code").
			SetNumberSelectionBehavior("avoid-sticky")))
		sid = value(service.Sid, "sid")
		location := value(service.Url, "url")
		matches("sid", sid, "^KS[0-9a-f]{32}$")
		equal("account_sid", value(service.AccountSid, "account_sid"), accountSid)
		equal("unique_name", value(service.UniqueName, "unique_name"), run+"-settings")
		equal("default_ttl", service.DefaultTtl, 3600)
		equal("callback_url", value(service.CallbackUrl, "callback_url"), "https://callbacks.example.com/interactions")
		equal("geo_match_level", value(service.GeoMatchLevel, "geo_match_level"), "area-code")
		equal("behavior", value(service.NumberSelectionBehavior, "number_selection_behavior"), "avoid-sticky")
		null("intercept_callback_url", service.InterceptCallbackUrl)
		null("chat_instance_sid", service.ChatInstanceSid)
		equal("url", location, baseURL.String()+"/v1/Services/"+sid)
		links := value(service.Links, "links")
		equal("links.sessions", links["sessions"], location+"/Sessions")
		equal("links.phone_numbers", links["phone_numbers"], location+"/PhoneNumbers")
		recent("date_created", service.DateCreated)
		recent("date_updated", service.DateUpdated)
	})
	perform("services.fetch", func() {
		equal("default_ttl", must(api.FetchService(sid)).DefaultTtl, 3600)
	})
	perform("services.fetch-by-name", func() {
		equal("sid", value(must(api.FetchService(run+"-settings")).Sid, "sid"), sid)
	})
	perform("services.update", func() {
		service := must(api.UpdateService(sid, (&proxy.UpdateServiceParams{}).
			SetUniqueName(run+"-renamed").
			SetDefaultTtl(60).
			SetCallbackUrl("").
			SetOutOfSessionCallbackUrl("https://callbacks.example.com/strangers")))
		equal("unique_name", value(service.UniqueName, "unique_name"), run+"-renamed")
		equal("default_ttl", service.DefaultTtl, 60)
		null("callback_url", service.CallbackUrl)
		equal("out_of_session_callback_url", value(service.OutOfSessionCallbackUrl, "out_of_session_callback_url"),
			"https://callbacks.example.com/strangers")
		unchanged := must(api.UpdateService(sid, &proxy.UpdateServiceParams{}))
		equal("geo_match_level", value(unchanged.GeoMatchLevel, "geo_match_level"), "area-code")
	})
	perform("services.list", func() {
		mine := []string{sid}
		for _, letter := range []string{"a", "b", "c", "d"} {
			service := must(api.CreateService((&proxy.CreateServiceParams{}).SetUniqueName(run + "-" + letter)))
			mine = append(mine, value(service.Sid, "sid"))
		}
		stream := collect(func(service proxy.ProxyV1Service) *string { return service.Sid })
		listed := stream(api.StreamService((&proxy.ListServiceParams{}).SetPageSize(2)))
		found := slices.DeleteFunc(listed, func(each string) bool { return !slices.Contains(mine, each) })
		equal("listed", found, mine)
		for _, each := range mine[1:] {
			done(api.DeleteService(each))
		}
	})
	perform("services.delete", func() {
		done(api.DeleteService(sid))
		_, err := api.FetchService(sid)
		refused(err, 404, 20404, "was not found")
	})
}

func checkCredentials() {
	perform("credentials.api-key", func() {
		service := must(api.CreateService((&proxy.CreateServiceParams{}).SetUniqueName(run + "-key")))
		sid := value(service.Sid, "sid")
		withKey := newClient(baseURL, environment("CONFORMANCE_API_KEY_SID"), environment("CONFORMANCE_API_KEY_SECRET"))
		fetched := must(withKey.ProxyV1.FetchService(sid))
		equal("account_sid", value(fetched.AccountSid, "account_sid"), accountSid)
		done(withKey.ProxyV1.DeleteService(sid))
	})
	perform("errors.not-found", func() {
		nowhere := "KS" + strings.Repeat("0", 32)
		_, err := api.FetchService(nowhere)
		refused(err, 404, 20404, "The requested resource /Services/"+nowhere+" was not found")
	})
	perform("errors.wrong-token", func() {
		stranger := newClient(baseURL, accountSid, strings.Repeat("f", 32))
		_, err := stranger.ProxyV1.ListService(nil)
		refused(err, 401, 20003, "authenticat")
	})
}

func checkPhoneNumbers(service string) {
	var first, second string
	perform("phone-numbers.create-by-number", func() {
		number := must(api.CreatePhoneNumber(service, (&proxy.CreatePhoneNumberParams{}).SetPhoneNumber(numbers[0])))
		first = value(number.Sid, "sid")
		matches("sid", first, "^PN[0-9a-f]{32}$")
		equal("service_sid", value(number.ServiceSid, "service_sid"), service)
		equal("phone_number", value(number.PhoneNumber, "phone_number"), numbers[0])
		equal("iso_country", value(number.IsoCountry, "iso_country"), "US")
		equal("is_reserved", value(number.IsReserved, "is_reserved"), false)
		equal("in_use", number.InUse, 0)
		all := proxy.ProxyV1ServicePhoneNumberCapabilities{Voice: true, Sms: true, Mms: true}
		equal("capabilities", value(number.Capabilities, "capabilities"), all)
		recent("date_created", number.DateCreated)
		reserved := must(api.CreatePhoneNumber(service,
			(&proxy.CreatePhoneNumberParams{}).SetPhoneNumber(numbers[1]).SetIsReserved(true)))
		second = value(reserved.Sid, "sid")
		equal("is_reserved", value(reserved.IsReserved, "is_reserved"), true)
	})
	perform("phone-numbers.fetch", func() {
		number := must(api.FetchPhoneNumber(service, first))
		equal("phone_number", value(number.PhoneNumber, "phone_number"), numbers[0])
	})
	perform("phone-numbers.list", func() {
		stream := collect(func(number proxy.ProxyV1PhoneNumber) *string { return number.Sid })
		listed := stream(api.StreamPhoneNumber(service, (&proxy.ListPhoneNumberParams{}).SetPageSize(1)))
		equal("listed", sorted(listed), sorted([]string{first, second}))
	})
	perform("phone-numbers.update", func() {
		must(api.UpdatePhoneNumber(service, second, (&proxy.UpdatePhoneNumberParams{}).SetIsReserved(false)))
		number := must(api.FetchPhoneNumber(service, second))
		equal("is_reserved", value(number.IsReserved, "is_reserved"), false)
	})
	perform("phone-numbers.delete", func() {
		done(api.DeletePhoneNumber(service, second))
		_, err := api.FetchPhoneNumber(service, second)
		refused(err, 404, 20404, "was not found")
	})
	perform("phone-numbers.create-by-sid", func() {
		number := must(api.CreatePhoneNumber(service, (&proxy.CreatePhoneNumberParams{}).SetSid(second)))
		equal("sid", value(number.Sid, "sid"), second)
		equal("phone_number", value(number.PhoneNumber, "phone_number"), numbers[1])
	})
}
