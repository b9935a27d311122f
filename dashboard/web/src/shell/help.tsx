import { opening } from '../ui/opening';
import { keys } from './keys';

export const { open: openHelp, Dialog: Help } = opening('Keys and help', 'help', Keys);

function Keys({ close }: { close: () => void }) {
  return (
    <>
      <header><h2>Keys</h2><button type="button" class="button" onClick={close}>Close</button></header>
      <dl class="keys">{keys.map((k) => <div key={k.keys}><dt>{k.keys.split(/\s+/).map((one) => (one === 'or' ? ' or ' : <kbd key={one}>{one}</kbd>))}</dt><dd>{k.does}</dd></div>)}</dl>
      <h2>Reading it</h2>
      <p>⚑ beside a title says how far its figures can be trusted, and how many records are concerned. ⋯ has a panel’s numbers as a table and as CSV, its SQL and the description of its models. Days and hours are those of the service’s time zone.</p>
    </>
  );
}
