package main

import (
	"net/http"
	"net/url"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
)

// moved sends what is meant for the vendor's host to another one. It is all that differs from a program written for
// the vendor: the library keeps its base URL to itself but takes any http.Client.
type moved struct{ to *url.URL }

func (m moved) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = m.to.Scheme, m.to.Host, ""
	return http.DefaultTransport.RoundTrip(request)
}

func newClient(baseURL *url.URL, username, password string) *twilio.RestClient {
	base := &client.Client{
		Credentials: client.NewCredentials(username, password),
		HTTPClient:  &http.Client{Transport: moved{to: baseURL}},
	}
	base.SetAccountSid(accountSid)
	return twilio.NewRestClientWithParams(twilio.ClientParams{Client: base})
}
