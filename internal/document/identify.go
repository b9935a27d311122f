package document

import (
	"strings"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Identify says which session and project a document belongs to; "" where nothing tells. It reads only the top level
// and never fails: what is not BSON belongs nowhere.
func Identify(raw bson.Raw) (sessionID, projectID string) {
	var session, project, file value
	// The text is read in place, and what is returned is cloned from it.
	c := open(unsafe.String(unsafe.SliceData(raw), len(raw)))
	for c.next() {
		switch c.key {
		case "sessionId":
			session = c.val
		case "projectId":
			project = c.val
		case "sourceFile":
			file = c.val
		}
	}
	var t texts
	sessionID, projectID = t.identify(session, project, file)
	return strings.Clone(sessionID), strings.Clone(projectID)
}

// identify derives both ids: the fields where they are there and not empty, else the path of the transcript.
func (t *texts) identify(session, project, file value) (sessionID, projectID string) {
	sessionID, projectID = t.of(session).V, t.of(project).V
	if sessionID != "" && projectID != "" || !file.isText() {
		return sessionID, projectID
	}
	fromPath := parsePath(t.of(file).V)
	if sessionID == "" {
		sessionID = fromPath.session
	}
	if projectID == "" {
		projectID = fromPath.project
	}
	return sessionID, projectID
}

// place is what a transcript's path tells: …/projects/<project>/<session>.jsonl for a session's own file,
// …/projects/<project>/<session>/subagents/….jsonl for those of its sub-agents.
type place struct{ session, project string }

func parsePath(path string) place {
	separator := "/"
	if !strings.Contains(path, "/") {
		separator = `\`
	}
	parts := strings.FieldsFunc(path, func(r rune) bool { return string(r) == separator })
	if len(parts) == 0 {
		return place{}
	}
	folders, name := parts[:len(parts)-1], parts[len(parts)-1]
	at := place{session: stem(name)}
	for i := len(folders) - 1; i > 0; i-- {
		if folders[i] == "subagents" {
			at.session, folders = folders[i-1], folders[:i-1]
			break
		}
	}
	// Without a folder named projects, the project is the folder that holds the session.
	if len(folders) > 0 {
		at.project = folders[len(folders)-1]
	}
	for i := len(folders) - 2; i >= 0; i-- {
		if folders[i] == "projects" {
			at.project = folders[i+1]
			break
		}
	}
	return at
}

// stem is a file's name without its last extension.
func stem(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[:i]
	}
	return name
}
