package generator

import "strconv"

// cli is a version of the command-line program; what it writes depends on it.
type cli struct{ major, minor, patch int }

func (v cli) String() string {
	return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) + "." + strconv.Itoa(v.patch)
}

func (v cli) since(major, minor, patch int) bool {
	switch {
	case v.major != major:
		return v.major > major
	case v.minor != minor:
		return v.minor > minor
	}
	return v.patch >= patch
}

// What a version writes.
func (v cli) reportsCost() bool     { return !v.since(1, 0, 10) }
func (v cli) hasBranch() bool       { return v.since(1, 0, 60) }
func (v cli) inlineSidechain() bool { return !v.since(2, 0, 0) }
func (v cli) agentsBeside() bool    { return v.since(2, 0, 0) && !v.since(2, 1, 0) } // agent files in the project folder
func (v cli) hasProgress() bool     { return v.since(2, 1, 12) && !v.since(2, 1, 64) }
func (v cli) usageGrows() bool      { return !v.since(2, 1, 97) }
func (v cli) placeholders() bool    { return v.since(2, 1, 7) && !v.since(2, 1, 51) }
func (v cli) hasSnapshots() bool    { return v.since(2, 0, 0) && !v.since(2, 1, 208) }
func (v cli) hasDeltas() bool       { return v.since(2, 1, 208) }
func (v cli) hasNickname() bool     { return v.since(2, 1, 0) }
func (v cli) hasTodos() bool        { return v.since(2, 0, 60) && !v.since(2, 1, 70) }
func (v cli) hasPermission() bool   { return v.since(2, 1, 20) }
func (v cli) hasSourceUUID() bool   { return v.since(2, 1, 1) }
func (v cli) hasSystem() bool       { return v.since(2, 1, 0) }
func (v cli) newLayout() bool       { return v.since(2, 1, 70) } // type first, envelope last, entrypoint
func (v cli) hasAttachments() bool  { return v.since(2, 1, 97) }
func (v cli) hasPromptID() bool     { return v.since(2, 1, 80) }
func (v cli) hasOrigin() bool       { return v.since(2, 1, 120) }
func (v cli) hasStates() bool       { return v.since(2, 1, 100) }
func (v cli) hasEffort() bool       { return v.since(2, 1, 212) }
func (v cli) hasTaskTools() bool    { return v.since(2, 1, 16) }
func (v cli) hasSplitCache() bool   { return v.since(1, 0, 60) }
func (v cli) hasCaller() bool       { return v.since(2, 1, 30) }
func (v cli) denialKinds() bool     { return v.since(2, 1, 150) }
func (v cli) hasWorkflows() bool    { return v.since(2, 1, 154) }
func (v cli) agentResults() bool    { return v.since(2, 1, 64) || v.inlineSidechain() } // toolUseResult in sub-agent lines
func (v cli) agentTool() string {
	if v.since(2, 1, 63) {
		return "Agent"
	}
	return "Task"
}

// eras are spans of versions with the share of sessions that ran them, oldest first.
var eras = []struct {
	major, minor, from, to int
	share                  float64
	models                 []string
}{
	{1, 0, 3, 9, 0.01, []string{"claude-opus-4-20250514"}},
	{1, 0, 17, 128, 0.07, []string{"claude-sonnet-4-20250514", "claude-sonnet-4-20250514", "claude-opus-4-1-20250805"}},
	{2, 0, 14, 76, 0.09, []string{"claude-sonnet-4-5-20250929", "claude-opus-4-5-20251101"}},
	{2, 1, 0, 11, 0.06, []string{"claude-opus-4-5-20251101"}},
	{2, 1, 12, 33, 0.20, []string{"claude-opus-4-5-20251101", "claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929"}},
	{2, 1, 34, 63, 0.27, []string{"claude-opus-4-6", "claude-opus-4-6", "claude-sonnet-4-6"}},
	{2, 1, 64, 96, 0.10, []string{"claude-opus-4-6", "claude-sonnet-4-6"}},
	{2, 1, 97, 211, 0.12, []string{"claude-opus-4-8", "claude-opus-4-6", "claude-fable-5", "claude-sonnet-5"}},
	{2, 1, 212, 259, 0.08, []string{"claude-fable-5", "claude-sonnet-5", "claude-opus-4-8", "claude-opus-5"}},
}

// versionAt returns version and usual model for a place in the time window (0 its start, 1 its end): older sessions ran
// older versions, whatever the window.
func versionAt(r *rng, place float64) (cli, string) {
	place += (r.float() - 0.5) * 0.1
	place = min(max(place, 0), 0.9999)
	for i, era := range eras {
		if place >= era.share && i+1 < len(eras) {
			place -= era.share
			continue
		}
		within := place / era.share
		patch := era.from + int(within*float64(era.to-era.from+1))
		return cli{era.major, era.minor, min(patch, era.to)}, pick(r, era.models)
	}
	return cli{2, 1, 259}, "claude-opus-5"
}

// smallModel is what sub-agents that only look around run on.
func (v cli) smallModel() string {
	switch {
	case v.inlineSidechain():
		return "claude-3-5-haiku-20241022"
	default:
		return "claude-haiku-4-5-20251001"
	}
}
