package stream

import (
	"encoding/json"
	"fmt"

	"claude-analytics/internal/mask"
)

// Connected returns nil while the server answers, else ErrUnreachable or ErrClosed. It waits for nothing.
func (c *Conn) Connected() error {
	nc, _, err := c.clients()
	if err != nil {
		return err
	}
	if !nc.IsConnected() {
		return fmt.Errorf("%w: %s is away, trying again", ErrUnreachable, mask.URLs(c.URL()))
	}
	return nil
}

// Emit publishes an event outside the streams, as JSON: whoever listens at the moment gets it.
func (c *Client) Emit(event string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	if err := c.nc.Publish(event, data); err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	return c.nc.Flush()
}
