package verify
import "context"
func (r *run) marts(ctx context.Context) error { return nil }
