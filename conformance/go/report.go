package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
)

var failed bool

// failure unwinds one operation; perform turns it into a line.
type failure string

func fail(format string, values ...any) { panic(failure(fmt.Sprintf(format, values...))) }

// perform runs one operation and prints a line for it; a failed one does not stop those that follow.
func perform(operation string, act func()) {
	outcome := map[string]any{"client": "go", "version": client.LibraryVersion, "operation": operation, "ok": true}
	defer func() {
		if reason := recover(); reason != nil {
			failed = true
			outcome["ok"], outcome["detail"] = false, fmt.Sprint(reason)
		}
		line, _ := json.Marshal(outcome)
		fmt.Println(string(line))
	}()
	act()
}

func must[T any](value T, err error) T {
	if err != nil {
		fail("%v", err)
	}
	return value
}

func done(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// value follows a pointer the library handed out; a null that should not be one is a failure.
func value[T any](pointer *T, what string) T {
	if pointer == nil {
		fail("%s is null", what)
	}
	return *pointer
}

func equal(what string, actual, expected any) {
	if !reflect.DeepEqual(actual, expected) {
		fail("%s is %v, not %v", what, actual, expected)
	}
}

func null[T any](what string, pointer *T) {
	if pointer != nil {
		fail("%s is %v, not null", what, *pointer)
	}
}

func matches(what, text, pattern string) {
	if !regexp.MustCompile(pattern).MatchString(text) {
		fail("%s %q does not match %s", what, text, pattern)
	}
}

func recent(what string, moment *time.Time) {
	if age := time.Since(value(moment, what)); age.Abs() > time.Minute {
		fail("%s is %v, not of just now", what, *moment)
	}
}

func refused(err error, status, code int, words string) {
	var refusal *client.TwilioRestError
	if !errors.As(err, &refusal) {
		fail("not a TwilioRestError: %v", err)
	}
	equal("status", refusal.Status, status)
	equal("code", refusal.Code, code)
	matches("more_info", refusal.MoreInfo, fmt.Sprintf("^https://.*/%d$", code))
	if !strings.Contains(strings.ToLower(refusal.Message), strings.ToLower(words)) {
		fail("message %q does not say %q", refusal.Message, words)
	}
}

func sorted(sids []string) []string {
	return slices.Sorted(slices.Values(sids))
}

// collect drains one of the library's streams, which walk from page to page by themselves.
func collect[T any](sid func(T) *string) func(chan T, chan error) []string {
	return func(records chan T, errs chan error) []string {
		sids := []string{}
		for record := range records {
			sids = append(sids, value(sid(record), "sid"))
		}
		done(<-errs)
		return sids
	}
}

// textFromHandset texts a proxy number from a person's simulated handset: a text that arrives is not one of the API's
// own calls.
func textFromHandset(from, to, body string) {
	message := must(json.Marshal(map[string]string{"from": from, "to": to, "body": body}))
	request := must(http.NewRequest("POST", baseURL.String()+"/simulator/messages", bytes.NewReader(message)))
	request.SetBasicAuth(accountSid, environment("CONFORMANCE_AUTH_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	response := must(http.DefaultClient.Do(request))
	response.Body.Close()
	equal("status", response.StatusCode, http.StatusAccepted)
}

// eventually tries again until there is something: a relayed message is logged a moment after it was sent.
func eventually[T any](find func() *T) *T {
	for range 50 {
		if found := find(); found != nil {
			return found
		}
		time.Sleep(100 * time.Millisecond)
	}
	fail("nothing came within 50 attempts")
	return nil
}

func environment(name string) string {
	text := os.Getenv(name)
	if text == "" {
		fmt.Fprintf(os.Stderr, "Set %s.\n", name)
		os.Exit(2)
	}
	return text
}
