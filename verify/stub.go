package verify
import "context"
func (r *run) sources(ctx context.Context) error { return nil }
func (r *run) marts(ctx context.Context) error { return nil }
