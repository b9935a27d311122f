export function Sessions() {
  return <div class="grid" />;
}
