export function Pipeline() {
  return <div class="grid" />;
}
