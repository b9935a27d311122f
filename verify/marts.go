package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Marts are the models.
type Marts interface {
	// Compare computes models aside and compares them row for row with what is stored: all sessions, or if limit is not 0
	// about so many documents' worth of them, other ones each time. ErrNotBuilt means that there is nothing to compare.
	Compare(ctx context.Context, limit int64, seen func(done, of int64)) (MartResult, error)
}

// ErrNotBuilt is of models that are to be built first.
var ErrNotBuilt = errors.New("the models are not built, or are to be built anew")

// MartResult is what comparing the models showed.
type MartResult struct {
	// Models were compared, over Documents of Total documents; Skipped depend on one that differs.
	Models           int
	Skipped          []string
	Documents, Total int64
	Differences      []MartDifference
}

// MartDifference is a model whose stored rows are not those that it computes.
type MartDifference struct {
	Model string
	// Missing are computed and not stored, Extra stored and not computed: a row that changed counts in both.
	Missing, Extra int64
	Examples       []string
}

// cheapDocuments is how many documents' sessions the cheap form computes anew: two seconds' worth.
const cheapDocuments = 50_000

// marts compares stored models with computed ones.
func (r *run) marts(ctx context.Context) error {
	return r.level(ctx, LevelMarts, func(ctx context.Context, l *Level) error {
		l.Against = "the same models, computed from the warehouse"
		if r.parts.Marts == nil {
			l.skip(r.parts.Missing[LevelMarts])
			return nil
		}
		for _, d := range r.of(LevelWarehouse).Differences {
			l.skip("the rows that they are computed from differ (" + d.Kind + "): repair those first")
			return nil
		}
		limit := int64(cheapDocuments)
		if r.deep {
			limit = 0
		}
		result, err := r.parts.Marts.Compare(ctx, limit, func(done, of int64) { r.cfg.Progress("marts: documents", done, of) })
		if errors.Is(err, ErrNotBuilt) {
			r.notBuilt(l, err)
			return nil
		}
		if err != nil {
			return err
		}
		l.count("models", int64(result.Models))
		l.count("documents computed anew", result.Documents)
		if result.Documents < result.Total {
			why := "other sessions have their turn in other hours, all with --deep"
			if r.deep || result.Total <= cheapDocuments {
				why = "the others' sessions wait for a refresh"
			}
			l.note(fmt.Sprintf("%d of %d documents were computed anew: %s", result.Documents, result.Total, why))
		}
		if len(result.Skipped) > 0 {
			l.note("not compared, since what they are computed from differs: " + strings.Join(result.Skipped, ", "))
		}
		for _, d := range result.Differences {
			l.differ(Difference{
				Kind: KindMartDiffers, Where: d.Model, Count: max(d.Missing, d.Extra), Examples: d.Examples,
				Detail: fmt.Sprintf("%d rows that the model computes are not stored, %d stored ones are not computed", d.Missing, d.Extra),
				Repair: r.fix.models(d.Model),
			})
		}
		return nil
	})
}

// notBuilt is nothing to look at as long as there is nothing to build models of; otherwise the level was not looked at.
func (r *run) notBuilt(l *Level, why error) {
	why = fmt.Errorf("%w: %stransform", why, program)
	for _, c := range r.of(LevelWarehouse).Counts {
		if c.Name == countRows && c.Value > 0 {
			l.fail(why)
			return
		}
	}
	l.skip(why.Error())
}
