package mask_test

import (
	"strings"
	"testing"

	"claude-analytics/internal/mask"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                          "",
		"mongodb://localhost:27017": "mongodb://localhost:27017",
		"nats://127.0.0.1:4222":     "nats://127.0.0.1:4222",
		"mongodb://bob:hun,ter2@h1,h2/?replicaSet=rs0":                          "mongodb://bob:********@h1,h2/?replicaSet=rs0",
		"mongodb://bob:hunter2@h1:1,h2:2/db?a=b&c=d":                            "mongodb://bob:********@h1:1,h2:2/db?a=b&c=d",
		"mongodb://bob:hun/ter2@h1/db":                                          "mongodb://bob:********@h1/db",
		"mongodb://bob:hun@ter2@h1/db":                                          "mongodb://bob:********@h1/db",
		"mongodb://bob:hun?a=ter2@h1":                                           "mongodb://bob:********@h1",
		"mongodb://bob:hun%zzter2@h1/":                                          "mongodb://bob:********@h1/",
		"mongodb://h1/?tls=true&tlsCertificateKeyFilePassword=hunter2":          "mongodb://h1/?tls=true&tlsCertificateKeyFilePassword=********",
		"mongodb://h1/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2,A:b@c": "mongodb://h1/?authMechanismProperties=********",
		"mongodb://h1/?appName=a@b":                                             "mongodb://h1/?appName=a@b",
		"nats://hunter2@bus:4222,nats://u:hunter2@other:4222":                   "nats://********@bus:4222,nats://u:********@other:4222",
		"nats://a:1, tls://u:hunter2@b:2":                                       "nats://a:1, tls://u:********@b:2",
		"bob:hunter2@h1":                                                        "bob:********@h1",
	} {
		if got := mask.URLs(address); got != want || strings.Contains(got, "ter2") {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := mask.Without("mongodb://bob:hunter2@h1,h2/?replicaSet=rs0&xTokenY=hunter2"); got != "mongodb://h1,h2/?replicaSet=rs0" {
		t.Errorf("without: %s", got)
	}
}
