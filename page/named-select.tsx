/** A choice among runs or evaluations by their names. */
export function NamedSelect({
  label,
  value,
  none,
  options,
  onChoice,
}: {
  readonly label: string;
  readonly value: string | undefined;
  /** Words for choosing nothing; absent: one must be chosen. */
  readonly none?: string;
  readonly options: readonly { readonly id: string; readonly name: string }[];
  readonly onChoice: (id: string) => void;
}) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value ?? ''} onChange={(event) => onChoice(event.currentTarget.value)}>
        {none !== undefined && <option value="">{none}</option>}
        {options.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
