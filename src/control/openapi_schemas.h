/* openapi_schemas.h - members of what the admin API takes and answers.
 *
 * Words "name:type".  Types: text int number bool time uuid slug email uri object any, a|b of lower-case words for
 * one of these, Name for another schema, [x] an array.  Behind the name `*`:
 * always there; behind the type `?`: may be null. */
#ifndef AG_CONTROL_OPENAPI_SCHEMAS_H
#define AG_CONTROL_OPENAPI_SCHEMAS_H

#define USAGE_WRITE "type:cost|tokens|requests credit_limit:number alert_threshold:number? periodic_reset:monthly|weekly?" \
	" periodic_reset_days:int? next_usage_reset_at:time? enforcement:strict|adaptive|shadow on_exhaust:cut|finish"
#define LIMITS_ONE  " usage_limits:UsageLimits? rate_limits:[RateLimit]?"
#define LIMITS_MANY " usage_limits:[UsageLimits]? rate_limits:[RateLimit]?"
#define STAMPS      " created_at:time last_updated_at:time"

static const struct {
	const char *name, *members;
} schemas[] = {
	{ "Error", "success*:bool data*:ErrorData error*:ErrorDetail" },
	{ "ErrorData", "message*:text errorCode*:text" },
	{ "ErrorDetail", "message*:text type*:text param:text? code*:text" },
	{ "UsageLimits", USAGE_WRITE " current_usage:number held:number remaining:number? bound:number? status:text"
	                 " would_refuse:int" },
	{ "RateLimit", "type*:requests|tokens unit*:rps|rpm|rph|rpd|rpw|concurrent value*:int" },

	{ "WorkspaceDefaults", "metadata:object? input_guardrails:[any] output_guardrails:[any] config_id:text?"
	                       " user_api_key_config:text? is_default:int" },
	{ "WorkspaceSettings", "debug_log:any body_log:off|on_request|on|enforced redact:[text] redact_patterns:[text]"
	                       " user_api_key_ttl:int? user_api_key_max_ttl:int? user_api_key_count:int?"
	                       " user_key_metadata:any user_key_metadata_override:any" },
	{ "SecuritySettings", ""
#define X(who, about, name, at_first) name ":bool "
#include "aigated/tbl/security_settings.h"
#undef X
	},
	{ "WorkspaceWrite", "name:text slug:slug description:text? icon:text? defaults:WorkspaceDefaults? users:[any]"
	                    " settings:WorkspaceSettings security_settings:SecuritySettings?"
	                    " reset_usage:bool" LIMITS_MANY },
	{ "Workspace", "id*:uuid slug*:slug name*:text icon:text? description:text? defaults:WorkspaceDefaults?"
	               " is_default:int status*:text object*:text users:[Member]"
	               " settings:WorkspaceSettings security_settings*:SecuritySettings" STAMPS LIMITS_MANY },
	{ "WorkspaceDelete", "name*:text force_delete:bool" },
	{ "WorkspaceList", "object:text total*:int data*:[Workspace]" },
	{ "Member", "object:text id*:uuid first_name:text last_name:text org_role:text role*:text email:text status:text"
	            " workspace_id:uuid" STAMPS },
	{ "MemberList", "object:text total*:int data*:[Member]" },
	{ "MembersAdd", "users*:[MemberAdd]" },
	{ "MemberAdd", "id*:uuid role:admin|manager|member" },
	{ "RoleWrite", "role*:text" },
	{ "User", "object:text id*:uuid first_name:text last_name:text role*:text email*:text workspace_ids:[any]" STAMPS },
	{ "UserList", "object:text total*:int data*:[User]" },
	{ "InviteWrite", "email*:email role*:admin|member workspaces:[InviteWorkspace] workspace_api_key_details:object" },
	{ "InviteWorkspace", "id*:text role:admin|manager|member" },
	{ "InviteMade", "id*:uuid invite_link*:text email:text role:text status:text created_at:time expires_at:time"
	                " workspaces:[any]" },
	{ "InviteLink", "inviteLink*:text" },
	{ "Invite", "object:text id*:uuid email*:text role*:text status*:text created_at:time expires_at:time"
	            " accepted_at:time? workspaces:[any]" },
	{ "InviteList", "object:text total*:int data*:[Invite]" },
	{ "InviteAccept", "token*:text first_name:text last_name:text" },

	{ "KeyDefaults", "metadata:object? config_id:text? allow_config_override:bool?" },
	{ "KeyWrite", "name:text description:text? workspace_id:text user_id:uuid scopes:[text] defaults:KeyDefaults?"
	              " alert_emails:[email]? expires_at:time? reset_usage:bool rotation_policy:RotationPolicy?" LIMITS_ONE },
	{ "RotationPolicy", "rotation_period:weekly|monthly rotation_period_days:int next_rotation_at:time?"
	                    " key_transition_period_ms:int" },
	{ "Key", "id*:uuid key*:text name*:text description:text type*:text organisation_id:uuid workspace_id:uuid?"
	         " user_id:uuid? status*:active|exhausted|expired expires_at:time? scopes*:[text] defaults*:KeyDefaults"
	         " alert_emails:[text]? key_transition_expires_at:time? object*:text rotation_policy:RotationPolicy?"
	         " new_secret_waiting:bool" STAMPS LIMITS_ONE },
	{ "KeyList", "object:text total*:int data*:[Key]" },
	{ "KeyMade", "id*:uuid key*:text object:text" },
	{ "KeyRotate", "key_transition_period_ms:int" },
	{ "KeyRotated", "id*:uuid key*:text key_transition_expires_at:time?" },

	{ "SecretMapping", "target_field*:text secret_reference_id*:text secret_key:text? value_format:text?" },
	{ "PriceAdjustments", "multiplier:PriceMultiples?" },
	{ "PriceMultiples", "default:number? request_token:number? response_token:number?"
	                    " cache_read_input_token:number? cache_write_input_token:number?"
	                    " cache_read_audio_input_token:number? request_audio_token:number?"
	                    " response_audio_token:number? reasoning_token:number? prediction_accepted_token:number?"
	                    " prediction_rejected_token:number? request_image_token:number?"
	                    " response_image_token:number? request_text_token:number? response_text_token:number?"
	                    " cache_read_text_input_token:number? cache_write_text_input_token:number?"
	                    " image:ImageMultiple? additional_units:UnitMultiples?" },
	{ "ImageMultiple", "default:number?" },
	{ "UnitMultiples", "web_search:number? second:number? character:number? search_unit:number?" },
	{ "IntegrationWrite", "name:text slug:slug ai_provider_id:text key:text description:text? workspace_id:text"
	                      " configurations:object secret_mappings:[SecretMapping] create_default_provider:bool"
	                      " default_provider_slug:slug pricing_adjustments:PriceAdjustments?" },
	{ "Integration", "id*:uuid slug*:slug name*:text ai_provider_id*:text status*:text description:text?"
	                 " organisation_id:uuid workspace_id:uuid? masked_key:text? configurations:object"
	                 " allow_all_models:bool workspace_count:int secret_mappings:[SecretMapping] object:text"
	                 " pricing_adjustments:PriceAdjustments?" STAMPS },
	{ "IntegrationList", "object:text total*:int data*:[Integration]" },
	{ "Made", "id:uuid slug:text version_id:uuid object:text" },
	{ "ModelWrite", "slug*:text enabled:bool is_custom:bool is_finetune:bool base_model_slug:text?"
	                " pricing_config:object?" },
	{ "ModelsWrite", "models:[ModelWrite] allow_all_models:bool" },
	{ "Model", "slug*:text name:text enabled*:bool is_custom:bool is_finetune:bool base_model_slug:text?"
	           " pricing_config:object?" STAMPS },
	{ "ModelList", "object:text total*:int allow_all_models*:bool models*:[Model]" },
	{ "GrantWrite", "id*:text enabled*:bool reset_usage:bool create_default_provider:bool default_provider_slug:slug"
	                LIMITS_MANY },
	{ "GlobalGrant", "enabled*:bool" LIMITS_MANY },
	{ "GrantsWrite", "workspaces:[GrantWrite] global_workspace_access:GlobalGrant override_existing_workspace_access:bool"
	                 " create_default_provider:bool default_provider_slug:slug" },
	{ "Grant", "id*:text enabled*:bool" LIMITS_MANY STAMPS },
	{ "GrantList", "object:text total*:int workspaces*:[Grant] global_workspace_access:GlobalGrant?" },

	{ "ProviderWrite", "name:text slug:slug integration_id:text workspace_id:text note:text? expires_at:time?"
	                   " reset_usage:bool" LIMITS_ONE },
	{ "Provider", "id*:uuid slug*:slug name*:text integration_id*:text ai_provider_id:text"
	              " ai_provider_name:text note:text? status*:text expires_at:time? workspace_id:uuid object:text" STAMPS LIMITS_ONE },
	{ "ProviderList", "object:text total*:int data*:[Provider]" },
	{ "VirtualKeyWrite", "name:text slug:slug provider:text key:text custom_host:uri workspace_id:text note:text?"
	                     " expires_at:time?" LIMITS_ONE },
	{ "VirtualKey", "id*:uuid slug*:slug name*:text provider:text note:text? status*:text object:text" LIMITS_ONE },
	{ "VirtualKeyList", "object:text total*:int data*:[VirtualKey]" },

	{ "ConfigWrite", "name:text config:any workspace_id:text is_default:any status:active|archived" },
	{ "Config", "id*:uuid slug*:text name*:text workspace_id:uuid? is_default:int status*:text config:text"
	            " version_id:uuid object:text" STAMPS },
	{ "ConfigList", "object:text total*:int data*:[Config]" },
	{ "Check", "id*:text parameters:object is_enabled:bool" },
	{ "GuardrailWrite", "name:text workspace_id:text organisation_id:uuid checks:[Check] actions:object" },
	{ "Guardrail", "id*:uuid slug*:text name*:text workspace_id:uuid? status*:text checks:[Check] actions:object"
	               STAMPS },
	{ "GuardrailList", "object:text total*:int data*:[Guardrail]" },
	{ "OrgDefaults", "input_guardrails:[any] output_guardrails:[any]" },
	{ "ExclusionsWrite", "organisation_id:uuid workspaces*:[object] override_existing:bool" },
	{ "Exclusions", "object:text total*:int data*:[object]" },

	{ "Condition", "key*:text value:any excludes:any" },
	{ "Group", "key*:text" },
	{ "UsagePolicyWrite", "name:text description:text? workspace_id:text conditions:[Condition] group_by:[Group]"
	                      " type:cost|tokens|requests credit_limit:number alert_threshold:number?"
	                      " periodic_reset:monthly|weekly? periodic_reset_days:int? enforcement:strict|adaptive|shadow"
	                      " on_exhaust:cut|finish status:active|archived reset_usage_for_value:text" },
	{ "UsagePolicy", "id*:uuid name:text? description:text? workspace_id:uuid conditions*:[Condition] group_by*:[Group]"
	                 " type*:text credit_limit*:number alert_threshold:number? periodic_reset:text? status*:text"
	                 " object*:text" STAMPS },
	{ "UsagePolicyList", "object:text total*:int data*:[UsagePolicy]" },
	{ "RatePolicyWrite", "name:text description:text? workspace_id:text conditions:[Condition] group_by:[Group]"
	                     " type:requests|tokens unit:rps|rpm|rph|rpd|rpw|concurrent value:int target:llm"
	                     " status:active|archived" },
	{ "RatePolicy", "id*:uuid name:text? description:text? workspace_id:uuid conditions*:[Condition] group_by*:[Group]"
	                " type*:text unit*:text value*:int status*:text object*:text" STAMPS },
	{ "RatePolicyList", "object:text total*:int data*:[RatePolicy]" },
	{ "PolicyValueList", "object:text total*:int data*:[object]" },

	{ "OrgSettings", "organisation_id:uuid name:text api_key_metadata_schema:object? workspace_metadata_schema:object?"
	                 " saved_only:bool? api_key_max_lifetime_days:int? user_api_key_max_lifetime_days:int?"
	                 " reset_usage:bool" LIMITS_MANY },
	{ "ExportWrite", "workspace_id:text filters:object requested_data:[text] description:text" },
	{ "SecretRefWrite", "name:text slug:slug description:text? manager_type:hashicorp_vault|file|environment"
	                    " auth_config:object secret_path:text secret_key:text? allow_all_workspaces:bool"
	                    " allowed_workspaces:[text] allowed_hosts:[text]? tags:object" },
	{ "SecretRef", "id*:uuid slug*:slug name*:text manager_type*:text auth_config:object secret_path*:text"
	               " secret_key:text? allow_all_workspaces:bool allowed_workspaces:[text] allowed_hosts:[text]? tags:object?"
	               " status*:text last_error:text? object:text" STAMPS },
	{ "SecretRefList", "object:text total*:int data*:[SecretRef]" },
};

#endif
