export function Tools() {
  return <div class="grid" />;
}
