package api

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"claude-analytics/internal/warehouse"
)

// Document gives a document as Extended JSON, by the order under which it is kept.
type Document func(ctx context.Context, epoch, seq uint64) (json.RawMessage, error)

// document answers /api/v1/documents/<source>/<id>: the document as it was read, secrets replaced.
func (a *API) document(w http.ResponseWriter, r *http.Request, _ url.Values) error {
	data, err := a.warehouse()
	if err != nil {
		return err
	}
	release, err := a.turn(r.Context())
	if err != nil {
		return err
	}
	defer release()
	source, id := r.PathValue("source"), r.PathValue("id")
	var answer struct {
		Source   string          `json:"source"`
		ID       string          `json:"id"`
		File     string          `json:"file"`
		Offset   int64           `json:"offset"`
		Epoch    uint64          `json:"epoch"`
		Seq      uint64          `json:"seq"`
		Document json.RawMessage `json:"document"`
	}
	answer.Source, answer.ID = source, id
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	err = data.DB.Read(ctx, func(ctx context.Context, tx *warehouse.Tx) error {
		return tx.QueryRow(ctx, "SELECT _epoch, _seq, coalesce(source_file, ''), coalesce(source_offset, 0) FROM raw.conversations WHERE source = $1 AND _id = $2", source, id).
			Scan(&answer.Epoch, &answer.Seq, &answer.File, &answer.Offset)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return NewError(http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no document %s of %s", short(id), short(source)), "step_content names the documents of a session's steps.")
	}
	if err != nil {
		return err
	}
	if answer.Document, err = a.cfg.Document(ctx, answer.Epoch, answer.Seq); err != nil {
		return err
	}
	sendJSON(w, r, http.StatusOK, answer, "")
	return nil
}
