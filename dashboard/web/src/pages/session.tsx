export function SessionPage() {
  return <div class="grid" />;
}
