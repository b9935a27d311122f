package document

// PlaceOf is the session and project that a transcript's path tells: …/<project>/<session>.jsonl, or
// …/<project>/<session>/subagents/….jsonl. A document may name others.
func PlaceOf(path string) (session, project string) {
	at := parsePath(path)
	return at.session, at.project
}
