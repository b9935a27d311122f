export function Cost() {
  return <div class="grid" />;
}
