package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"claude-analytics/internal/config"
)

// checkSettings finds settings that are allowed one by one, and together or in the end are not what anybody wants.
func checkSettings(cfg config.Loaded) []finding {
	const id = "settings"
	var findings []finding
	for _, warning := range cfg.Warnings {
		findings = append(findings, bad(id, warning, "correct the variable's name, or remove it"))
	}
	settings := map[string]string{}
	for _, e := range cfg.Entries() {
		settings[e.Name] = e.Value
	}
	add := func(detail, remedy string) { findings = append(findings, warn(id, detail, remedy)) }
	if cfg.StreamMaxAge == 0 && cfg.StreamMaxBytes == 0 {
		add("STREAM_MAX_AGE and STREAM_MAX_BYTES are both 0: the stream grows without end", "set one of them; the lake keeps everything anyway")
	}
	if cfg.FullRefreshCron == "" && cfg.RefreshInterval == 0 {
		add("neither REFRESH_INTERVAL nor FULL_REFRESH_CRON is set: marts are refreshed by changes alone", "set one of them")
	}
	if cfg.HistoryLost == "reset" {
		add("HISTORY_LOST=reset: whatever a source can no longer give is left out without asking", "set HISTORY_LOST=resnapshot to read it again, or fail to decide yourself")
	}
	if cfg.RawIndexes {
		add("RAW_INDEXES=on: sessions are read several times slower, and batches cost more", "set RAW_INDEXES=off unless something needs the indexes")
	}
	if cfg.OnDelete == "keep" && !cfg.Set("MONGO_URI") {
		add("ON_DELETE=keep has no effect on transcripts: their documents are never deleted", "remove it, or set MONGO_URI")
	}
	return append(findings, checkExposed("http-exposed", "HTTP_ADDR", cfg.HTTPAddr, cfg.HTTPToken != "")...)
}

// checkExposed tells of an address that others reach, without anything that keeps them out.
func checkExposed(id, setting, addr string, guarded bool) []finding {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || guarded {
		return nil
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	detail := fmt.Sprintf("%s=%s can be reached by others, and no HTTP_TOKEN is set: everybody there reads every conversation", setting, addr)
	const remedy = "set HTTP_TOKEN, or listen on 127.0.0.1 only (behind a proxy that asks who is there)"
	if inContainer() {
		// Who reaches a container is decided outside it, by the ports that are published.
		return []finding{warn(id, detail, remedy+"; of a container, publish the port as 127.0.0.1:8080:8080")}
	}
	return []finding{bad(id, detail, remedy)}
}

func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// checkTimeZone sees that the zone's data is there, and not only its name known.
func checkTimeZone(cfg config.Loaded) finding {
	const id = "time-zone"
	zone, err := time.LoadLocation(cfg.ReportTZ)
	if err != nil {
		return bad(id, fmt.Sprintf("REPORT_TZ=%s: %v", cfg.ReportTZ, err), "use a name such as UTC or Europe/Berlin, and install tzdata")
	}
	if cfg.ReportTZ == "Local" {
		return warn(id, "REPORT_TZ=Local: days begin where this machine happens to be", "name the zone, as in Europe/Berlin")
	}
	return good(id, fmt.Sprintf("%s, now %s", cfg.ReportTZ, time.Now().In(zone).Format("2006-01-02 15:04 MST")))
}

// checkEnvFile sees that nobody else reads the secrets in it.
func checkEnvFile(file string) []finding {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return []finding{bad("env-file", err.Error(), "give this user the right to read "+file)}
	}
	if !strings.Contains(string(text), "HTTP_TOKEN=") && !strings.Contains(string(text), "@") {
		return nil
	}
	path, _ := filepath.Abs(file)
	return []finding{warn("env-file", fmt.Sprintf("%s holds secrets, and others may read it (%s)", path, info.Mode().Perm()), "chmod 600 "+file)}
}
