package warehouse

import (
	"context"
	"errors"
	"fmt"
)

// leastCached is what DuckDB may keep of the file in memory when it is asked to give back.
const leastCached = "64MiB"

// GiveBack lets DuckDB forget what it holds of the file in memory; what is needed again is read again. What is in use stays:
// then nothing is given back, which is no error.
func (d *DB) GiveBack(ctx context.Context) error {
	return d.use(ctx, func(inst *instance) error {
		var usual string
		if err := inst.writers.QueryRowContext(ctx, "SELECT current_setting('memory_limit')").Scan(&usual); err != nil {
			return fmt.Errorf("read the memory limit: %w", err)
		}
		// With a lower limit it frees until that holds, or refuses it.
		_, refused := inst.writers.ExecContext(ctx, "SET memory_limit = '"+leastCached+"'")
		_, err := inst.writers.ExecContext(context.WithoutCancel(ctx), "SET memory_limit = "+Literal(usual))
		if err != nil {
			return errors.Join(fmt.Errorf("set the memory limit again: %w", err), refused)
		}
		return nil
	})
}
